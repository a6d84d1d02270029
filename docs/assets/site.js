// What the theme leaves out for people who use a keyboard or a screen reader.
const complete = () => {
  // Each copy button is in a landmark of its own: name it.
  document.querySelectorAll(".md-code__nav:not([aria-label])").forEach((nav) => {
    nav.setAttribute("aria-label", `Code block ${nav.parentElement.id.replace(/\D+/g, "")}`)
  })
  // A table that is wider than the window scrolls: let the keyboard reach it.
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((table) => {
    table.scrollWidth > table.clientWidth ? (table.tabIndex = 0) : table.removeAttribute("tabindex")
  })
}

new MutationObserver(complete).observe(document.documentElement, { childList: true, subtree: true })
window.addEventListener("resize", complete)
