# Holds a binary that was built outside: `make image`. Nothing is compiled in here, so the image is the same with every
# builder, needs no network, and takes its Go version and its packages from where they were tested.
ARG BASE=gcr.io/distroless/static:nonroot
FROM ${BASE}
COPY bin/taffrail /taffrail
# A number: the kubelet cannot check runAsNonRoot against a name.
USER 65532:65532
ENTRYPOINT ["/taffrail"]
