// Sorting of tables by a click on a heading.
(function () {
  "use strict";
  function key(row, column) {
    const text = row.cells[column].textContent.trim();
    const value = Number(text.replace("\u2212", "-").replace("+", ""));
    return text === "" || text === "\u2013" ? null : Number.isNaN(value) ? text : value;
  }
  function compare(a, b) {
    if (a === null || b === null) return (a === null) - (b === null);
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  }
  document.querySelectorAll("table[data-sortable]").forEach((table) => {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      head.setAttribute("aria-sort", "none");
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isAscending = head.getAttribute("aria-sort") !== "ascending";
        const body = table.tBodies[0];
        const rows = Array.from(body.rows).map((row) => ({ row, value: key(row, column) }));
        rows.sort((a, b) => (a.value === null || b.value === null ? compare(a.value, b.value)
          : (isAscending ? 1 : -1) * compare(a.value, b.value)));
        body.append(...rows.map((entry) => entry.row));
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
      });
    });
  });
})();
