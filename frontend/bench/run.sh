#!/usr/bin/env bash
# ./just bench page: the page's figures, into target/bench/page.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --workspace --locked --bin chat-server
npm run --silent build
npx playwright test --config bench/playwright.config.ts
