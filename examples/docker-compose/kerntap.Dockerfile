# The static binary and nothing else: no shell, no libraries.
FROM scratch
COPY kerntap /kerntap
ENTRYPOINT ["/kerntap"]
CMD ["run"]
