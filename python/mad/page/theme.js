// Sets the chosen colours before the first paint. Without a choice the system decides.
try {
  const chosen = localStorage.getItem("mad-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // storage is forbidden: the system decides
}
