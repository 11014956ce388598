# Valley Edge on Debian 12: one image for NVIDIA, AMD and Intel cards (Vulkan), and for the CPU (lavapipe) to try it.
# How to run it: deploy/README.md.
FROM denoland/deno:bin-2.9.6 AS deno

FROM debian:bookworm-slim
# The Vulkan loader; Mesa's drivers for AMD, Intel and the CPU (NVIDIA's come from the host, see below); video files.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates ffmpeg libvulkan1 mesa-vulkan-drivers \
  && rm -rf /var/lib/apt/lists/*
COPY --from=deno /deno /usr/local/bin/deno

# The host's container toolkit mounts NVIDIA's Vulkan driver only with "graphics".
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility \
    DENO_DIR=/opt/deno \
    DENO_NO_UPDATE_CHECK=1 \
    DENO_WEBGPU_BACKEND=vulkan \
    HOME=/home/valley \
    XDG_RUNTIME_DIR=/tmp \
    VALLEY_MODELS=/models \
    VALLEY_STATE=/state \
    VALLEY_HOST=0.0.0.0

WORKDIR /app
COPY deno.json deno.lock main.ts ./
COPY src ./src
COPY wgsl ./wgsl
COPY web ./web
COPY tools/setup ./tools/setup
COPY weights/demo ./weights/demo
# npm packages at the versions of deno.lock; nothing is fetched when it runs, and the root may be read-only.
RUN deno cache --frozen main.ts src/worker.ts tools/setup/launch.ts \
  && useradd --uid 10001 --create-home --home-dir /home/valley valley \
  && mkdir -p /models /state \
  && chown valley /models /state
USER 10001
VOLUME ["/models", "/state"]

EXPOSE 8000
# Alive while it loads too; whether it can answer: /readyz.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["deno", "eval", "const r = await fetch('http://127.0.0.1:8000/livez'); Deno.exit(r.ok ? 0 : 1)"]
# SIGTERM drains: give the container longer than --drain-grace and --drain-timeout together (30 s).
STOPSIGNAL SIGTERM
ENTRYPOINT ["deno", "run", "-A", "--quiet", "--cached-only", "tools/setup/launch.ts", "valley"]
CMD ["serve"]
