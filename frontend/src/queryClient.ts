import { QueryClient } from "@tanstack/react-query";

/** Requests are made also when the browser believes it is offline: a failure that is said beats an endless wait. */
export function createQueryClient(retryDelay?: number): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        networkMode: "always",
        ...(retryDelay === undefined ? {} : { retryDelay }),
      },
      mutations: { networkMode: "always", retry: false },
    },
  });
}
