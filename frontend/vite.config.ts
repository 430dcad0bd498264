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
    // The few scripts that are loaded later come alone; the helpers for more would be in the first one.
    modulePreload: false,
  },
  test: {
    include: ["src/**/*.test.ts", "tests/unit/**/*.test.ts"],
    restoreMocks: true,
  },
});
