# The server in a container; see docs/operating.md.
#
#   docker build -t chat .
#   docker run -d --name chat -p 8080:8080 -v chat:/data chat

FROM python:3-slim AS build
COPY . /src
RUN python3 -m venv /opt/chat && /opt/chat/bin/pip install --no-cache-dir '/src[cluster,metrics]'

FROM python:3-slim
COPY --from=build /opt/chat /opt/chat
# A volume that is made for it has the owner and the mode of this.
RUN install -d -m 0700 -o 65534 -g 65534 /data
# nobody, by number: so that an orchestrator can see that it is not root.
USER 65534:65534
ENV PATH=/opt/chat/bin:$PATH PYTHONUNBUFFERED=1
VOLUME /data
# 8080 is the chat. Not for the public: 8090, for the other servers of a cluster; 9100, with /metrics and /healthz.
EXPOSE 8080 8090 9100
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD \
    ["python3", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 9100, timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["chat-server", "--data-directory=/data", "--spool-directory=/data", "--metrics-address=:9100"]
# Options of your own take the place of this one: name the address again, or a file with --config.
CMD ["--address=:8080"]
