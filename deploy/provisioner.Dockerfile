# syntax=docker/dockerfile:1
# The storage provisioner. Build from the root of the repository:
#
#   docker build -f deploy/provisioner.Dockerfile -t storage-provisioner .
#
# Lustre's `lfs` is not in Debian: mount it, or add it in an image of your own.
ARG NODE_IMAGE=docker.io/library/node:24-trixie-slim

FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
ENV CI=true
WORKDIR /build
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
RUN npx -y pnpm@12 fetch
COPY . .
# One file with all that it needs. Beside it, the manifest has `type: module`.
RUN npx -y pnpm@12 install --offline --frozen-lockfile \
 && npx -y pnpm@12 --filter @cscs/storage-provisioner build \
 && mkdir /app && cp -R apps/provisioner/dist apps/provisioner/package.json /app

FROM ${NODE_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="storage-provisioner" \
      org.opencontainers.image.description="Makes directories with quotas on disk from the storage proxy's list" \
      org.opencontainers.image.source="https://github.com/eth-cscs/storage-proxy" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The programs of the drivers, and `attr` for the mark on each directory. Debian's stable release fixes their versions.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends attr btrfs-progs e2fsprogs quota xfsprogs \
 && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx \
           /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn-*
COPY --from=build /app /app
ENV NODE_ENV=production
WORKDIR /app
# No USER: it is root, because directories get the groups of projects. Give it only the capabilities that the chart names.
EXPOSE 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["/app/dist/main.js"]
CMD ["--help"]
