# The collector of examples/collector/manifest.yaml. Its configuration is mounted.
FROM scratch
COPY otelcol ready /
ENTRYPOINT ["/otelcol"]
