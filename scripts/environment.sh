# Sourced by the other scripts: puts a virtual environment with the package on the PATH, and makes it if there is none.
# An active environment is used as it is; otherwise .venv in this checkout.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -z "${VIRTUAL_ENV:-}" ]; then
    VIRTUAL_ENV="$repository/.venv"
    [ -x "$VIRTUAL_ENV/bin/python" ] || python3 -m venv "$VIRTUAL_ENV"
fi
export VIRTUAL_ENV PATH="$VIRTUAL_ENV/bin:$PATH"

# install_package <extra>: the package as it is in this checkout; what it needs only where something is missing
install_package() {
    local modules=(nnunetv2 nilearn)
    [ "$1" = dev ] && modules+=(edt hypothesis monai mypy pytest ruff selenium xdist)
    if python -c "import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, sys.argv[1:])))" "${modules[@]}"; then
        pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$repository"
    else
        echo "Installing into $VIRTUAL_ENV (nnU-Net brings PyTorch: several GB, a few minutes) ..."
        pip install --quiet --disable-pip-version-check "$repository[$1]"
    fi
}
