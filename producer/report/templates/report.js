"use strict";
// The report works without this script: the style sheet shows the target of a link (:target). The script loads pictures
// on demand, handles keys, and moves the focus to what is shown.
(() => {
  const title = document.title;
  const tiles = [...document.querySelectorAll("a.tile")];
  let last = null;

  // Uses the address instead of :target, which the browser updates only after this has run.
  const shown = () => {
    const found = document.getElementById(location.hash.slice(1));
    return found !== null && found.matches("article.page") ? found : null;
  };

  const tileOf = (page) => document.getElementById(page.id.replace("page-", "tile-"));

  const showPicture = (page) => {
    const picture = page.querySelector("figure img:not([src])");
    if (picture === null) return;
    const thumbnail = tileOf(page).querySelector("img");
    const source = picture.dataset.src || (thumbnail && thumbnail.src);
    if (source) picture.src = source;
  };

  const arrive = () => {
    const page = shown();
    if (page === null) {
      document.title = title;
      // Keep the focus if the browser or the reader has already moved it to a tile.
      if (last !== null && document.activeElement.closest("a.tile") === null) tileOf(last).focus();
      last = null;
      return;
    }
    last = page;
    showPicture(page);
    const heading = page.querySelector("h2");
    document.title = `${heading.firstChild.textContent.trim()} – ${title}`;
    scrollTo(0, 0);
    heading.focus({ preventScroll: true });
  };

  // Paging replaces the entry in the history, so that Back returns to the grid.
  const go = (link) => {
    if (link === null) return false;
    location.replace(link.getAttribute("href"));
    return true;
  };

  const step = { ArrowLeft: "[rel=prev]", ArrowRight: "[rel=next]" };

  const inPage = (page, key) => {
    if (key === "Escape") {
      location.hash = tileOf(page).id;
      return true;
    }
    return key in step && go(page.querySelector(step[key]));
  };

  const inGrid = (tile, key) => {
    const place = tiles.indexOf(tile);
    const columns = tiles.filter((each) => each.offsetTop === tiles[0].offsetTop).length;
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -place, End: tiles.length - 1 - place };
    const next = key in moves ? tiles[place + moves[key]] : undefined;
    if (next === undefined) return false;
    next.focus();
    return true;
  };

  // Tab reaches one tile; the arrow keys reach the others.
  const reach = (tile) => {
    for (const each of document.querySelectorAll("a.tile[tabindex='0']")) each.tabIndex = -1;
    tile.tabIndex = 0;
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const page = shown();
    const tile = document.activeElement.closest("a.tile");
    const done = page !== null ? inPage(page, event.key) : tile !== null && inGrid(tile, event.key);
    if (done) event.preventDefault();
  });
  document.addEventListener("focusin", (event) => {
    const tile = event.target.closest("a.tile");
    if (tile !== null) reach(tile);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[rel]");
    if (link !== null && !event.ctrlKey && !event.metaKey && !event.shiftKey && go(link)) event.preventDefault();
  });
  addEventListener("hashchange", arrive);
  for (const tile of tiles) tile.tabIndex = -1;
  if (tiles.length > 0) tiles[0].tabIndex = 0;
  if (shown() !== null) arrive();
})();
