# The broker: dependencies by hash, no build tools in the image, not root.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock requirements-dev.lock pyproject.toml README.md LICENSE ./
COPY broker broker
COPY realm-config realm-config
RUN python -m venv /opt/broker \
 && /opt/broker/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && python -m venv /tmp/tools && /tmp/tools/bin/pip install --no-cache-dir --require-hashes -r requirements-dev.lock \
 && /tmp/tools/bin/python -m hatchling build -t wheel -d /tmp/wheel \
 && /opt/broker/bin/pip install --no-cache-dir --no-deps /tmp/wheel/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/broker --create-home broker
COPY --from=build /opt/broker /opt/broker
USER broker
ENV PATH=/opt/broker/bin:$PATH PYTHONUNBUFFERED=1 BROKER_DATA_DIR=/var/lib/broker
VOLUME /var/lib/broker
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
ENTRYPOINT ["broker"]
CMD ["serve", "--host", "0.0.0.0"]
