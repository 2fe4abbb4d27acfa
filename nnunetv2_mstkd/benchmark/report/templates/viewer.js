// The viewer of the report: one NiiVue canvas for each panel, all at the same place of the same patient.
(function () {
  "use strict";
  const root = document.getElementById("viewer");
  const element = document.getElementById("viewer-data");
  if (!root || !element || !window.niivue || !document.createElement("canvas").getContext("webgl2")) return;

  const data = JSON.parse(element.textContent);
  const { Niivue, NVImage } = window.niivue;
  const control = (name) => root.querySelector(`[data-control="${name}"]`);
  const panels = Array.from(root.querySelectorAll(".panel"));
  const views = [];
  let shownCase = -1;

  const colours = (() => {
    const table = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: [""] };
    for (const label of data.labels) {
      const parts = [1, 3, 5].map((i) => parseInt(label.colour.slice(i, i + 2), 16));
      table.R.push(parts[0]); table.G.push(parts[1]); table.B.push(parts[2]);
      table.A.push(255); table.I.push(label.number); table.labels.push("");
    }
    return table;
  })();

  const decoded = new Map();  // volumes that were opened before
  function volume(base64, isLabels) {
    if (!decoded.has(base64)) {
      decoded.set(base64, NVImage.loadFromBase64({ base64, name: "volume.nii.gz", colormap: "gray",
        cal_min: 0, cal_max: isLabels ? NaN : 255, trustCalMinMax: false }));
    }
    return decoded.get(base64);
  }

  function chosen() {
    const current = data.cases[Number(control("case").value)];
    const modality = control("modality").value;
    return { current, place: Number(control("case").value), subset: control("subset").value,
      modality: modality in current.images ? modality : Object.keys(current.images)[0] };
  }

  function labelsOf(i, choice) {
    if (i === 0) return null;
    if (i === 1) return choice.current.reference;
    return choice.current.predictions[data.models[i - 2]][choice.subset] || null;
  }

  async function fill(i, choice) {
    const view = views[i];
    const image = (await volume(choice.current.images[choice.modality], false)).clone();
    image.colormap = "gray"; image.cal_min = 0; image.cal_max = 255;
    view.volumes = [];
    view.addVolume(image);
    const base64 = labelsOf(i, choice);
    if (base64 === null) return;
    const overlay = (await volume(base64, true)).clone();
    overlay.hdr.intent_code = 1002;  // NIFTI_INTENT_LABEL: only labels have outlines
    overlay.setColormapLabel(colours);
    overlay.opacity = Number(control("opacity").value);
    view.addVolume(overlay);
  }

  function number(value) {
    return value === null || value === undefined ? "\u2013" : value.toFixed(2);
  }

  function describe(choice) {
    const isGiven = data.present[choice.subset].includes(choice.modality);
    panels[0].querySelector("h3").firstChild.textContent = choice.modality;
    const note = panels[0].querySelector("h3 span");
    note.textContent = isGiven ? "given to the models" : "not given to the models";
    note.className = isGiven ? "" : "absent";
    data.models.forEach((model, m) => {
      const values = choice.current.dice[model][data.subsets.indexOf(choice.subset)];
      const text = data.regions.map((region, r) => `${region} ${number(values[r])}`).join("  ");
      panels[m + 2].querySelector("h3 span").textContent =
        labelsOf(m + 2, choice) === null ? "not scored with this subset" : text;
    });
  }

  function place(fraction) {
    for (const view of views) {
      view.scene.crosshairPos = fraction;
      view.drawScene();
    }
  }

  function planeAxis() {
    return { axial: 2, coronal: 1, sagittal: 0 }[control("plane").value];
  }

  function showSlice() {
    const axis = planeAxis();
    control("slice").disabled = axis === undefined;
    if (axis !== undefined) control("slice").value = views[0].scene.crosshairPos[axis];
  }

  let queue = Promise.resolve();
  function refresh() {
    queue = queue.then(async () => {
      const choice = chosen();
      for (let i = 0; i < views.length; i++) await fill(i, choice);
      describe(choice);
      if (choice.place !== shownCase) {
        shownCase = choice.place;
        place(views[0].mm2frac(choice.current.focus_mm));
      } else {
        place(views[0].scene.crosshairPos);
      }
      showSlice();
      root.dataset.drawn = String(Number(root.dataset.drawn || 0) + 1);
    });
    return queue;
  }

  function restyle() {
    const kinds = { axial: 0, coronal: 1, sagittal: 2, all: 3 };
    for (const view of views) {
      view.opts.atlasOutline = control("outline").checked ? 1 : 0;
      view.setSliceType(kinds[control("plane").value]);
      if (view.volumes.length > 1) view.setOpacity(1, Number(control("opacity").value));
      view.drawScene();
    }
    showSlice();
  }

  async function start() {
    for (const panel of panels) {
      const view = new Niivue({ backColor: [0, 0, 0, 1], crosshairColor: [0.72, 0.78, 0.84, 0.6],
        crosshairWidth: 1, crosshairWidthUnit: "mm", crosshairGap: 8,
        isRadiologicalConvention: true, isNearestInterpolation: false, dragAndDropEnabled: false, show3Dcrosshair: false,
        scrollRequiresFocus: true, multiplanarForceRender: false, logLevel: "error", loadingText: "", fontMinPx: 10 });
      await view.attachToCanvas(panel.querySelector("canvas"), false);
      views.push(view);
    }
    views.forEach((view) => view.broadcastTo(views.filter((other) => other !== view), { "2d": true, "3d": true }));
    views.forEach((view) => { view.onLocationChange = showSlice; });
    await refresh();
    restyle();
  }

  for (const name of ["case", "subset", "modality"]) control(name).addEventListener("change", refresh);
  for (const name of ["plane", "outline", "opacity"]) control(name).addEventListener("input", restyle);
  control("slice").addEventListener("input", () => {
    const fraction = Array.from(views[0].scene.crosshairPos);
    fraction[planeAxis()] = Number(control("slice").value);
    place(fraction);
  });

  document.documentElement.classList.add("viewing");
  start().catch((error) => {
    document.documentElement.classList.remove("viewing");  // the still pictures take its place
    console.warn(`The viewer cannot start: ${error.message}`);
  });
})();
