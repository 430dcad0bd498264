/** While the conversation is fetched. It appears late, so that a quick answer shows no flicker. */
export function Loading() {
  return (
    <p className="middle loading" role="status">
      Loading your chat…
    </p>
  );
}
