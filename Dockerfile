# The application of examples/mix as an image: the BEAM runs as an ordinary user, beside a program that holds capabilities.
#
#   docker build -t lookout .
#   docker run --rm --pid=host --cap-add SYS_PTRACE lookout
#
# --cap-add: the bounding set of the container is the ceiling of what the program's file can give. Docker's own has SETPCAP and NET_RAW; role
# proc needs SYS_PTRACE (level full: DAC_READ_SEARCH too), role net NET_ADMIN. --pid=host: the processes of the host, in place of those of the
# container. Not --security-opt no-new-privileges, and not --user 0: with either the program refuses to serve, and says so.

# --- the program ---------------------------------------------------------------------------------------------------------------------------------
FROM debian:trixie-slim AS port
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates cargo gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN sh scripts/build-port.sh

# --- the release ---------------------------------------------------------------------------------------------------------------------------------
FROM debian:trixie-slim AS release
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends elixir erlang-dev erlang-parsetools git \
    && rm -rf /var/lib/apt/lists/*
ENV LC_ALL=C.UTF-8 MIX_ENV=prod PORTCULLIS_SKIP_BUILD=1
WORKDIR /src
COPY . .
WORKDIR /src/examples/mix
RUN mix deps.get && mix release --path /opt/lookout

# --- what runs -----------------------------------------------------------------------------------------------------------------------------------
FROM debian:trixie-slim
# What the BEAM of the release links, and setcap.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libcap2-bin libncurses6 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 portcullis \
    && useradd --uid 10001 --gid portcullis --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin lookout
COPY --from=port /src/priv/portcullis /src/priv/policy.toml /src/priv/
COPY --from=port /src/scripts/install.sh /src/scripts/lib.sh /src/scripts/
# COPY loses file capabilities: they are given where nothing copies any more. The policy is the commented example; a file of your own goes to
# /etc/portcullis/policy.toml before this line.
RUN sh /src/scripts/install.sh --group portcullis --role proc && rm -r /src
# Root's, as the program is: the BEAM's user changes neither.
COPY --from=release /opt/lookout /opt/lookout
ENV LC_ALL=C.UTF-8 RELEASE_DISTRIBUTION=none RELEASE_TMP=/tmp
# By number, as Kubernetes wants it for runAsNonRoot.
USER 10001:10001
CMD ["/opt/lookout/bin/lookout", "start"]
