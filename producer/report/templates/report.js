"use strict";
// The report works without this script: the style sheet shows the target of a link (:target). The script loads pictures
// on demand, handles keys, and moves the focus to what is shown.
(() => {
  const title = document.title;
  const tiles = [...document.querySelectorAll("a.tile")];
  let last = null;
  let toldOf = null;
  let pointer = "";

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

  const svgNode = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };

  const partsOf = (region) => {
    const isLines = "lines" in region.dataset;
    const numbers = region.dataset[isLines ? "lines" : "words"].split(" ").map(Number);
    const texts = region.querySelector(".before").textContent.trim().split(isLines ? "\n" : /\s+/);
    return Array.from({ length: numbers.length / 5 }, (_, place) => {
      const [x, y, width, height, percent] = numbers.slice(5 * place, 5 * place + 5);
      return { x, y, width, height, percent, text: 5 * texts.length === numbers.length ? texts[place] : "" };
    });
  };

  const boxOf = ({ x, y, width, height, percent, text }) => {
    const level = percent < 80 ? "poor" : percent < 95 ? "fair" : "sure";
    const words = `${text} ${percent} %`.trim();
    const box = svgNode("rect", { class: `box ${level}`, x, y, width, height, role: "img", tabindex: -1, "aria-label": words });
    Object.assign(box.dataset, { text, percent });
    return box;
  };

  // The boxes of the page that is shown; those of all pages of a book would be a hundred thousand.
  const drawBoxes = (page) => {
    toldOf = null;
    for (const earlier of document.querySelectorAll(".scan svg, .reading, .keys")) earlier.remove();
    const scan = page === null ? null : page.querySelector(".scan[data-size]");
    const regions = scan === null ? [] : [...page.querySelectorAll("[data-words], [data-lines]")];
    if (regions.length === 0) return;
    const [width, height] = scan.dataset.size.split(" ");
    const drawing = svgNode("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "xMidYMin meet", role: "group", "aria-label": "Text on the page, as read, with confidence" });
    drawing.append(...regions.flatMap(partsOf).map(boxOf));
    drawing.firstChild.setAttribute("tabindex", 0);
    scan.append(drawing);
    scan.after(keys);
  };

  // The caption below a picture: what the boxes mean, and whether they are shown.
  const keys = document.createElement("figcaption");
  keys.className = "keys";
  const choice = document.createElement("input");
  choice.type = "checkbox";
  choice.checked = true;
  choice.addEventListener("change", () => document.body.classList.toggle("without-boxes", !choice.checked));
  const label = document.createElement("label");
  label.append(choice, "Boxes");
  keys.append(label, "dashed: confidence below 95 %, red: below 80 %");

  const tellOf = (box) => {
    if (box === toldOf) return;
    toldOf = box;
    document.querySelector(".reading")?.remove();
    if (box === null) return;
    const scan = box.closest(".scan");
    const [outer, inner] = [scan.getBoundingClientRect(), box.getBoundingClientRect()];
    const told = document.createElement("div");
    const percent = document.createElement("b");
    told.className = "reading";
    told.ariaHidden = "true";
    percent.textContent = `${box.dataset.percent} %`;
    told.append(box.dataset.text, percent);
    const isRight = inner.left + inner.right > outer.left + outer.right;
    told.style.setProperty("--x", `${(isRight ? inner.right : inner.left) - outer.left}px`);
    told.style.setProperty("--y", `${inner.top - outer.top - 3}px`);
    told.style.setProperty("--shift", isRight ? "-100%" : "0");
    scan.append(told);
  };

  const boxAt = (target) => (target instanceof Element ? target.closest(".box") : null);

  // Tab reaches one box; the arrow keys reach the others, in reading order, and Up and Down by their places.
  const inBoxes = (box, key) => {
    const boxes = [...box.parentNode.children];
    const place = boxes.indexOf(box);
    const middle = (each) => [each.x.baseVal.value + each.width.baseVal.value / 2, each.y.baseVal.value + each.height.baseVal.value / 2];
    const [x, y] = middle(box);
    const nearest = (direction) => {
      const far = (each) => Math.hypot(middle(each)[0] - x, 4 * (middle(each)[1] - y));
      const half = box.height.baseVal.value / 2;
      return boxes.filter((each) => direction * (middle(each)[1] - y) > half).sort((one, other) => far(one) - far(other))[0];
    };
    const moves = {
      ArrowLeft: () => boxes[place - 1], ArrowRight: () => boxes[place + 1],
      ArrowUp: () => nearest(-1), ArrowDown: () => nearest(1), Home: () => boxes[0], End: () => boxes.at(-1),
    };
    if (!(key in moves)) return false;
    const next = moves[key]() ?? box;
    box.setAttribute("tabindex", -1);
    next.setAttribute("tabindex", 0);
    next.focus({ preventScroll: true });
    return true;
  };

  const arrive = () => {
    const page = shown();
    drawBoxes(page);
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
    const box = boxAt(document.activeElement);
    const done = box !== null && inBoxes(box, event.key)
      || (page !== null ? inPage(page, event.key) : tile !== null && inGrid(tile, event.key));
    if (done) event.preventDefault();
  });
  document.addEventListener("focusin", (event) => {
    const tile = event.target.closest("a.tile");
    if (tile !== null) reach(tile);
    tellOf(boxAt(event.target));
  });
  document.addEventListener("pointermove", (event) => {
    // A page that scrolls below a resting pointer, as the keyboard makes it, is no reason to tell of another box.
    const place = `${event.clientX} ${event.clientY}`;
    if (place !== pointer) tellOf(boxAt(event.target));
    pointer = place;
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
