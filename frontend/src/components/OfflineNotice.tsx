export function OfflineNotice() {
  return (
    <p className="offline" role="status">
      You’re offline. Messages can be sent again once you’re back.
    </p>
  );
}
