# Everything runs in one virtual environment, made when it is missing.
#   make demo                                a trained, evaluated, drawn model from nothing
#   make install                             the environment alone
#   make test                                every test
#   make systems                             train and evaluate every source system for a few steps
#   make parity                              compare with MMSegmentation, which is installed beside it
#   make test PYTHON=python3.12 VENV=~/env   another interpreter, an environment of one's own
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
DATA ?= data/scenes
WORK ?= work_dirs/demo
DEMO := configs/demo/deeplabv3_r18w32-d8_1xb4-2400_scenes-128x128.py
# bfloat16 nearly halves the time where the processor computes in it, and costs time where it does not.
AMP ?= $(shell grep -q -w -e avx512_bf16 -e amx_bf16 /proc/cpuinfo 2>/dev/null && echo --amp)
PYTEST_ARGS ?=
# Processes that tests run in; each takes up to 2 GB and one core: threads of several would wait for each other.
WORKERS ?= 2
# MMSegmentation's environment, and its own config files, which the fork's wheel lacks.
PEER ?= .peer
CONFIGS ?= $(PEER)/upstream/mmseg/.mim/configs
PARITY_ARGS ?=
SYSTEMS_ARGS ?=

.PHONY: help install demo test systems peer parity clean-demo
.DEFAULT_GOAL := help

help:
	@sed -n '1,7s/^# \{0,1\}//p' Makefile

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "segkit needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m virtualenv -q $(VENV) 2>/dev/null; } || \
	  { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: its venv module is incomplete." >&2; \
	    echo "On Debian and Ubuntu: apt-get install -y python3-venv    Elsewhere: $(PYTHON) -m pip install virtualenv" >&2; exit 2; }

# opencv-python needs libGL and libglib, which a bare server lacks; its headless build provides the same cv2.
$(VENV)/.segkit-installed: $(PY) setup.py requirements/runtime.txt requirements/tests.txt
	@echo 'Installing segkit and what it needs into $(VENV) (a minute or two; the log is $(VENV)/install.log)'
	@$(PY) -m pip install --disable-pip-version-check -e '.[tests]' > $(VENV)/install.log 2>&1 || \
	  { tail -n 15 $(VENV)/install.log >&2; echo 'The install failed; the whole log is $(VENV)/install.log' >&2; exit 2; }
	@$(PY) -c 'import cv2' 2>/dev/null || { \
	  echo 'cv2 does not import here (a system library such as libGL is missing): taking opencv-python-headless instead'; \
	  $(PY) -m pip install --disable-pip-version-check --no-deps --force-reinstall opencv-python-headless >> $(VENV)/install.log 2>&1; \
	  $(PY) -c 'import cv2'; }
	@touch $@

install: $(VENV)/.segkit-installed

demo: install
	$(PY) tools/dataset_converters/generate_scenes.py $(DATA)
	$(PY) tools/train.py $(DEMO) $(AMP) --work-dir $(WORK) --cfg-options data_root=$(DATA)
	$(PY) tools/test.py $(DEMO) $(WORK)/best_mIoU.pth --work-dir $(WORK) --cfg-options data_root=$(DATA)
	$(PY) tools/predict.py $(DATA)/JPEGImages/$$(head -n 1 $(DATA)/ImageSets/Segmentation/val.txt).jpg \
	  $(DEMO) $(WORK)/best_mIoU.pth --out-dir $(WORK)/predictions
	@echo 'Pictures: $(WORK)/val_predictions.jpg, $(WORK)/curves.png, $(WORK)/predictions/'

test: install
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

systems: install
	$(PY) tools/benchmarks/systems.py $(SYSTEMS_ARGS)

peer: install
	@test -x $(PEER)/bin/python || $(PY) -m venv $(PEER) 2>/dev/null || { rm -rf $(PEER); $(PY) -m pip install -q virtualenv && \
	  $(PY) -m virtualenv -q $(PEER); }
	@$(PEER)/bin/python -c 'import mmseg' 2>/dev/null || { \
	  echo 'Installing MMSegmentation into $(PEER) (some minutes; the log is $(PEER)/install.log)'; \
	  $(PEER)/bin/python -m pip install --disable-pip-version-check 'onedl-mmsegmentation[torch,mminstall]==1.4.2' \
	    > $(PEER)/install.log 2>&1 && { $(PEER)/bin/python -c 'import cv2' 2>/dev/null || \
	    $(PEER)/bin/python -m pip install --no-deps --force-reinstall opencv-python-headless >> $(PEER)/install.log 2>&1; } && \
	    $(PEER)/bin/python -c 'import mmseg' >> $(PEER)/install.log 2>&1; } || \
	  { tail -n 15 $(PEER)/install.log >&2; echo 'The install failed; the whole log is $(PEER)/install.log' >&2; exit 2; }
	@test -d $(CONFIGS)/deeplabv3 || { \
	  $(PY) -m pip download -q --disable-pip-version-check --no-deps --dest $(PEER)/wheel mmsegmentation==1.2.2 && \
	  $(PY) -m zipfile -e $(PEER)/wheel/mmsegmentation-1.2.2-*.whl $(PEER)/upstream; }

parity: peer
	$(PY) tools/benchmarks/parity.py --peer $(PEER)/bin/python --configs $(CONFIGS) $(PARITY_ARGS)

clean-demo:
	rm -rf $(WORK) $(DATA)
