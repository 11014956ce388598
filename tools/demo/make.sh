#!/usr/bin/env bash
# Makes the demo model anew: bash tools/demo/make.sh [--start FOLDER | --smoke]
#
# --start  a checkpoint with this model's tensors to go on from; else the encoders are trained from nothing first
# --smoke  two minutes: a few steps of every stage, each must learn
# FIRST    with --start: number of the first step; another draws other examples than an earlier leg (default 0)
# WORK     folder for states, logs and the checkpoint (default build/demo); stop and run again to continue
# PYTHON   a Python 3.11 with tools/demo/requirements.txt installed (default python3)
# Needs Debian's libespeak-ng1 and ffmpeg. The drawings in assets/ and tokenizer.json are committed; to make them
# anew as well: npm install @iconify-json/{noto,noto-v1,fluent-emoji,fluent-emoji-flat,emojione,fxemoji,streamline-emojis,twemoji},
# then make_sprites.py --packages node_modules/@iconify-json, and make_tokenizer.py --out tokenizer.json or
# grow_tokenizer.py --start FOLDER/tokenizer.json --out tokenizer.json.
set -euo pipefail
cd "$(dirname "$0")"
WORK=$(realpath -m "${WORK:-../../build/demo}")
PYTHON=${PYTHON:-python3}
export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
mkdir -p "$WORK"

if [[ "${1:-}" == "--smoke" ]]; then
  exec "$PYTHON" -m train.smoke
fi

step() { # step THREADS LOG MODULE ARGUMENTS…
  local threads=$1 log=$2
  shift 2
  OMP_NUM_THREADS=$threads nice -n 15 "$PYTHON" -m "$@" >>"$WORK/$log" 2>&1
}

if [[ "${1:-}" == "--start" ]]; then
  start=(--start "$2")
  step 1 stage3.log train.stage3 --out "$WORK/stage3.pt" --tokenizer tokenizer.json "${start[@]}" \
    --first "${FIRST:-0}" --scale 0.6 --vision-scale 1 --sizes 14 16 7 --look 110 --steps "${STEPS3:-2500}"
else
  start=()
  step 1 stage1.log train.stage1 --out "$WORK/stage1.pt" --steps "${STEPS1:-4000}" &
  first=$!
  step 1 stage2.log train.stage2 --out "$WORK/stage2.pt" --steps "${STEPS2:-1500}"
  wait "$first"
  step 1 stage3.log train.stage3 --out "$WORK/stage3.pt" --tokenizer tokenizer.json --vision "$WORK/stage1.pt" \
    --speech "$WORK/stage2.pt" --steps "${STEPS3:-6000}"
fi
"$PYTHON" export.py --state "$WORK/stage3.pt" --tokenizer tokenizer.json "${start[@]}" --out "$WORK/export"
"$PYTHON" make_eval.py --out "$WORK/eval" --n 200
"$PYTHON" evaluate.py --checkpoint "$WORK/export" --questions "$WORK/eval"
"$PYTHON" evaluate.py --checkpoint "$WORK/export" --questions "$WORK/eval" --int4
