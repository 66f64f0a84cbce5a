// Before anything is painted: light or dark, if somebody has chosen one. The script of the page lets them choose.
"use strict";

try {
  const kept = localStorage.getItem("cachelayer-theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch { /* a browser that keeps nothing goes by what the system says */ }
