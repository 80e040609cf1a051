# The shop that is watched: one binary, and what it does is what it is called. The kernel knows it by that name too.
FROM scratch
COPY client api database trouble ready /
CMD ["/client"]
