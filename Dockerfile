# The web server and the scheduler run from this one image: `manage.py serve` and `manage.py rotate_keys`.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv/signet

COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt \
    && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin signet

# The code stays root's: the account that serves it can't change it.
COPY manage.py ./
COPY idp_project ./idp_project
COPY realms ./realms
COPY audit ./audit
COPY keys ./keys
COPY accounts ./accounts
COPY tokens ./tokens
COPY templates ./templates
COPY static ./static
COPY locale ./locale

# A checkout made under a tight umask must still be readable to it.
# Dead keys are remembered here, in a volume.
RUN chmod -R a+rX . && install -d -o 10001 -g 10001 -m 0750 /var/lib/signet

USER 10001
ENV PORT=8080 IDP_BIND=0.0.0.0
EXPOSE 8080
STOPSIGNAL SIGTERM
CMD ["python", "manage.py", "serve"]
