# The page and the HTTP API on a processor: docker compose up, or
#   docker build -t voiceface . && docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8400:8400 voiceface
# The printed address has the token in it; open it with 127.0.0.1 for the container's name.
FROM python:3.12-slim

WORKDIR /opt/voiceface
COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE constraints.txt ./
COPY src ./src
COPY docs/model-cards ./docs/model-cards
# torch's builds without CUDA lie at its own index and count as the newer ones; the pinned packages that it needs do
# not all lie there. The weights behind matcher-ge2e lie in resemblyzer's wheel.
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu ".[app,heif]" \
 && pip install --no-cache-dir --no-deps "resemblyzer==0.1.4" \
 && rm -rf /opt/voiceface/* \
 && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin voiceface

USER 10001
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
EXPOSE 8400
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8400/health', timeout=4)"]
ENTRYPOINT ["voiceface", "app", "--host", "0.0.0.0", "--port", "8400"]
