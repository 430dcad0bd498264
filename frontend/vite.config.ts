import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const API_PATHS = ["/start_chat", "/message", "/transcript"];
const CHAT_SERVER = "http://127.0.0.1:8080";
const proxy = Object.fromEntries(API_PATHS.map((path) => [path, CHAT_SERVER]));

export default defineConfig({
  plugins: [react()],
  server: { host: "127.0.0.1", proxy },
  preview: { host: "127.0.0.1", proxy },
  build: {
    // The Content-Security-Policy has no place for data: addresses.
    assetsInlineLimit: 0,
  },
  test: {
    environment: "jsdom",
    setupFiles: ["src/testing/setup.ts"],
    restoreMocks: true,
    testTimeout: 20_000,
  },
});
