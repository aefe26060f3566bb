# The broker: dependencies by hash, no build tools in the image, not root, nothing to write but what is mounted.
# Images are pinned by version; add their digests where you can look them up (docs/operations.md, Images).
FROM python:3.11.13-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock requirements-dev.lock pyproject.toml README.md LICENSE ./
COPY broker broker
COPY realm-config realm-config
RUN python -m venv /opt/broker \
 && /opt/broker/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && python -m venv /tmp/tools && /tmp/tools/bin/pip install --no-cache-dir --require-hashes -r requirements-dev.lock \
 && /tmp/tools/bin/python -m hatchling build -t wheel -d /tmp/wheel \
 && /opt/broker/bin/pip install --no-cache-dir --no-deps /tmp/wheel/*.whl

# Talkdesk's stand-in and the demo's app, for the profile `demo` of docker-compose.yml.
FROM build AS demo
COPY demo demo
RUN useradd --system --uid 10002 demo
USER demo
ENV PATH=/tmp/tools/bin:$PATH PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "-m"]

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/broker --create-home broker && mkdir -p /run/secrets
COPY --from=build /opt/broker /opt/broker
USER broker
WORKDIR /var/lib/broker
ENV PATH=/opt/broker/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BROKER_DATA_DIR=/var/lib/broker BROKER_HOST=0.0.0.0 BROKER_PORT=8000 BROKER_SECRETS_DIR=/run/secrets
# With SQLite it is written here; with PostgreSQL nothing is, and the root file system may be read-only.
VOLUME /var/lib/broker
EXPOSE 8000
# Whether it lives, not whether it is ready: a restart mends no database and no Keycloak.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live', timeout=3)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["broker"]
CMD ["serve"]
