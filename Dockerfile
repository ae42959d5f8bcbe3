# The service in a lean image: no compiler, no pip, not root, nothing written but to /tmp. See docs/deployment.md.

FROM python:3.13-slim AS build
COPY requirements/run.txt /run.txt
RUN python -m venv --without-pip /opt/appeals \
    && pip --python /opt/appeals install --no-cache-dir --require-hashes --only-binary :all: -r /run.txt \
    && pip --python /opt/appeals uninstall --yes flit-core

FROM python:3.13-slim
RUN pip uninstall --yes pip \
    && useradd --system --uid 10001 --no-create-home appeals
COPY --from=build /opt/appeals /opt/appeals
COPY appeals /srv/appeals
COPY migrations /srv/migrations
WORKDIR /srv
ENV PATH=/opt/appeals/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    APPEALS_HOST=0.0.0.0 \
    APPEALS_PORT=8000
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["python", "-m", "appeals"]
CMD ["serve"]
