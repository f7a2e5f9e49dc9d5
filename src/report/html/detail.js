// One image at large: its captions, where the model looked, attributes, nouns, mask, all scores.
const detail = (() => {
  const dialog = id("detail");
  let state = null;

  const button = (text, title, act) => {
    const made = node("button", "", text);
    made.type = "button";
    made.title = title;
    made.setAttribute("aria-label", title);
    made.addEventListener("click", act);
    return made;
  };

  const turn = (step) => {
    const at = state.indices.indexOf(state.index) + step;
    if (at >= 0 && at < state.indices.length) draw(state.indices[at]);
  };

  const attributes = (list) => {
    const made = node("dl", "bars");
    for (const [word, probability] of list) {
      const bar = node("dd");
      const filled = node("i");
      filled.style.width = `${100 * probability}%`;
      bar.append(filled, node("span", "", probability.toFixed(2)));
      made.append(node("dt", probability >= 0.5 ? "likely" : "", word), bar);
    }
    return made;
  };

  // One line a system, one column a metric.
  const scores = (captions) => {
    const names = [...new Set(captions.flatMap(({ caption }) => Object.keys(caption.scores)))];
    const table = node("table", "plain");
    const head = node("tr");
    head.append(node("th", "", ""), ...names.map((name) => node("th", "", name)));
    table.append(node("thead"), node("tbody"));
    table.tHead.append(head);
    for (const { label, caption } of captions) {
      const row = node("tr", "first");
      row.append(node("th", "", label), ...names.map((name) => node("td", "", shownScore(score(caption, name)))));
      table.tBodies[0].append(row);
    }
    const scroll = node("div", "scroll");
    scroll.append(table);
    return scroll;
  };

  // A strip of small pictures, as papers print them: the means over nouns and prepositions, then one a word.
  const strip = (image, caption) => {
    const all = looks(caption);
    const shown = [...all.filter((one) => one.group), ...all.filter((one) => !one.group)];
    return pictures(image, "Attention by word", caption.grid, shown);
  };

  // Likewise of the layers of a model's image encoder.
  const layers = (image, caption) => pictures(image, "Attention by layer", caption.encoder_grid,
    caption.encoder.map((weights, layer) => ({ word: `layer ${layer + 1}`, weights: decoded(weights) })));

  const pictures = (image, label, grid, shown) => {
    const made = node("div", "strip");
    made.tabIndex = 0;
    made.setAttribute("role", "region");
    made.setAttribute("aria-label", label);
    for (const look of shown) {
      const one = node("figure", look.group ? "group" : "");
      const [picture, canvas] = frame(image, image.picture);
      shade(canvas, grid, look.weights);
      one.append(picture, node("figcaption", look.part, look.word === "<end>" ? "end" : look.word));
      made.append(one);
    }
    return made;
  };

  const draw = (index) => {
    state.index = index;
    const image = page.images[index];
    const { source, against } = state.chosen;
    const chosen = against === "" || against === source ? [source] : [source, against];
    const captions = chosen
      .map((one) => ({ label: page.sources[one].label, caption: captionOf(one, index) }))
      .filter(({ caption }) => caption);

    const bar = node("div", "bar");
    const at = state.indices.indexOf(index);
    const turns = node("div", "turns");
    turns.append(
      button("←", "Image before", () => turn(-1)),
      node("span", "muted", `${at + 1} of ${state.indices.length}`),
      button("→", "Next image", () => turn(1)),
      button("✕", "Close", () => dialog.close()),
    );
    const title = node("h2", "", image.name);
    bar.append(title, turns);

    const [picture, canvas] = frame(image, image.picture);
    const shown = node("div", "pictures");
    shown.append(picture);
    if (image.mask) {
      const figure = node("figure");
      figure.append(frame(image, image.mask)[0], node("figcaption", "muted", "mask"));
      shown.append(figure);
    }

    const text = node("div", "text");
    for (const { label, caption } of captions) {
      text.append(node("div", "muted", label), captionNode(caption, canvas, true));
      if (caption.nouns) text.append(node("p", "hint", `nouns predicted: ${caption.nouns.join(", ") || "none"}`));
    }
    text.append(node("h3", "", "References"), references(image.references));
    const withAttributes = captions.find(({ caption }) => caption.attributes);
    if (withAttributes) text.append(node("h3", "", "Attributes"), attributes(withAttributes.caption.attributes));
    const given = withAttributes && withAttributes.caption.sampled;
    if (given) text.append(node("div", "hint", `given to the decoder: ${given.join(", ")}`));
    if (page.sources.length > chosen.length) {
      const others = node("details");
      const list = node("dl");
      for (const other of page.sources) {
        const one = other.captions[index];
        if (one) list.append(node("dt", "", other.label), node("dd", "", one.text));
      }
      others.append(node("summary", "", "captions of all runs"), list);
      text.append(others);
    }

    const body = node("div", "body");
    body.append(shown, text);
    const strips = captions.filter(({ caption }) => caption.attention).flatMap(({ label, caption }) => [
      node("h3", "", captions.length > 1 ? `Where it looked: ${label}` : "Where it looked, word by word"),
      strip(image, caption),
    ]);
    const encoders = captions.filter(({ caption }) => caption.encoder).flatMap(({ label, caption }) => [
      node("h3", "", captions.length > 1 ? `Where the encoder looked: ${label}` : "Where the encoder looked, layer by layer"),
      layers(image, caption),
    ]);
    dialog.replaceChildren(bar, body, ...strips, ...encoders, node("h3", "", "Scores"), scores(captions));
    dialog.scrollTop = 0;
  };

  if (dialog) {
    dialog.addEventListener("keydown", (event) => {
      if (event.target.closest(".strip") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "ArrowLeft") turn(-1);
      else if (event.key === "ArrowRight") turn(1);
      else return;
      event.preventDefault();
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => state.back(state.index));
  }

  return (indices, index, chosen, back) => {
    state = { indices, index, chosen, back };
    draw(index);
    dialog.showModal();
    dialog.focus();
  };
})();

if (id("cards")) gallery(detail);
