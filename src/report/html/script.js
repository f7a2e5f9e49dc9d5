"use strict";
(() => {
  const root = document.documentElement;
  const id = (name) => document.getElementById(name);
  const node = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text; // text only: nothing from a file becomes markup
    return made;
  };

  id("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  id("copy").addEventListener("click", () => {
    const pre = document.querySelector(".command pre");
    const done = () => { id("copy").textContent = "copied"; };
    const select = () => getSelection().selectAllChildren(pre);
    if (navigator.clipboard) navigator.clipboard.writeText(pre.textContent).then(done, select);
    else select();
  });

  const store = id("data");
  if (!store) return;
  const { images, sources } = JSON.parse(store.textContent);
  const controls = ["source", "metric", "order", "filter"].map(id);
  const [source, metric, order, filter] = controls;
  const score = (caption, name) => {
    const value = caption && caption.scores[name];
    return typeof value === "number" ? value : null;
  };

  const references = (list) => {
    const counts = new Map();
    for (const text of list) counts.set(text, (counts.get(text) || 0) + 1);
    const made = node("ul");
    for (const [text, count] of counts) made.append(node("li", "", count > 1 ? `${text} (×${count})` : text));
    return made;
  };

  // Where the model looked at a word: light on the places of the picture's grid, brightest at the greatest weight.
  const light = (cover, weights) => {
    const most = Math.max(...weights.flat(), 1e-9);
    cover.style.gridTemplateColumns = `repeat(${weights[0].length}, 1fr)`;
    cover.replaceChildren(...weights.flat().map((weight) => {
      const cell = node("i");
      cell.style.opacity = String(0.75 * weight / most);
      return cell;
    }));
  };

  const words = (caption, cover) => {
    const made = node("div", "caption");
    for (const { word, weights } of caption.attention) {
      const one = node("span", "word", word);
      one.tabIndex = 0;
      const show = () => light(cover, weights);
      const hide = () => cover.replaceChildren();
      one.addEventListener("pointerenter", show);
      one.addEventListener("focus", show);
      one.addEventListener("pointerleave", hide);
      one.addEventListener("blur", hide);
      made.append(one, " ");
    }
    return made;
  };

  const card = (index) => {
    const image = images[index];
    const caption = sources[source.value].captions[index];
    const made = node("article", "item");
    const cover = node("div", "cover");
    if (image.picture) {
      const picture = node("img");
      picture.src = image.picture;
      picture.alt = image.name;
      picture.loading = "lazy";
      picture.decoding = "async";
      const frame = node("div", "frame");
      frame.append(picture, cover);
      made.append(frame);
    } else {
      made.append(node("div", "blank", "image not found"));
    }
    const text = node("div", "text");
    const name = node("div", "name");
    const value = score(caption, metric.value);
    name.append(node("span", "", image.name), node("b", "", value === null ? "–" : `${metric.value} ${value.toFixed(3)}`));
    const looked = caption && caption.attention && caption.attention.length > 0;
    text.append(name, looked
      ? words(caption, cover)
      : node("div", "caption", caption ? caption.text || "(empty)" : "(not captioned by this run)"));
    if (caption && caption.attributes && caption.attributes.length > 0) {
      const parts = caption.attributes.map(([word, probability]) => `${word} ${probability.toFixed(2)}`);
      text.append(node("div", "hint", `attributes: ${parts.join(", ")}`));
    }
    text.append(references(image.references));
    if (caption && Object.keys(caption.scores).length > 1) {
      const all = node("details");
      const parts = Object.entries(caption.scores).map(([key, v]) => `${key} ${v === null ? "–" : v.toFixed(3)}`);
      all.append(node("summary", "", "all scores"), node("div", "", parts.join(", ")));
      text.append(all);
    }
    if (sources.length > 1) {
      const others = node("details");
      const list = node("dl");
      for (const other of sources) {
        const one = other.captions[index];
        if (one) list.append(node("dt", "", other.label), node("dd", "", one.text));
      }
      others.append(node("summary", "", "captions of all runs"), list);
      text.append(others);
    }
    made.append(text);
    return made;
  };

  const show = () => {
    const captions = sources[source.value].captions;
    const words = filter.value.trim().toLowerCase();
    const matches = (index) => {
      const caption = captions[index];
      const parts = [images[index].name, caption ? caption.text : "", ...images[index].references];
      return !words || parts.some((part) => part.toLowerCase().includes(words));
    };
    const chosen = images.map((_, index) => index).filter(matches);
    if (order.value !== "dataset") {
      const sign = order.value === "worst" ? 1 : -1;
      const key = (index) => score(captions[index], metric.value);
      chosen.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null); // unscored images come last
        return sign * (x - y) || a - b;
      });
    }
    id("cards").replaceChildren(...chosen.map(card));
    id("count").textContent = `${chosen.length} of ${images.length} images`;
  };

  for (const control of controls) control.addEventListener("input", show);
  document.querySelector(".controls").addEventListener("submit", (event) => event.preventDefault());
  show();
})();
