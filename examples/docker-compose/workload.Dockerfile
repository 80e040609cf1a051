# The service that is watched. It knows nothing of kerntap.
FROM scratch
COPY workload /workload
ENTRYPOINT ["/workload"]
