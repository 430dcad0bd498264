// Before the first paint: the chosen appearance, so that nobody who chose dark sees a white flash.
try {
  const theme = localStorage.getItem("sillychat.theme");
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // No storage, no choice.
}
