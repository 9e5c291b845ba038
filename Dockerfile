# Holds a binary that was built outside: `make image`, whose context is the folder of one architecture's binary. Nothing
# is compiled in here, so the image is the same with every builder, needs no network, and takes its Go version and its
# packages from where they were tested.
#
# Any base will do, scratch too: the binary is static, and trusts what its Pod's service account brings.
ARG BASE=gcr.io/distroless/static:nonroot
FROM ${BASE}
# Before any ARG or LABEL: docker's older builder takes the architecture of --platform from here on only.
COPY taffrail /taffrail
# A number: the kubelet cannot check runAsNonRoot against a name.
USER 65532:65532
ENTRYPOINT ["/taffrail"]
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Taffrail" \
      org.opencontainers.image.description="Admission-webhook policy engine for Kubernetes" \
      org.opencontainers.image.url="https://taffrail.dev" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
