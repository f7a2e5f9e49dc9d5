// The cards: sorted, filtered, walked through by the arrow keys.
const gallery = (open) => {
  const controls = ["source", "against", "metric", "order", "filter"].map(id);
  const [source, against, metric, order, filter] = controls;
  let listed = [];

  const label = (caption) => `${metric.value} ${shownScore(score(caption, metric.value))}`;

  const beside = (index, canvas) => {
    const other = captionOf(against.value, index);
    const made = node("div", "beside");
    const head = node("div", "name");
    head.append(node("span", "", page.sources[against.value].label), node("b", "", label(other)));
    made.append(head, captionNode(other, canvas, false));
    return made;
  };

  const card = (index) => {
    const image = page.images[index];
    const caption = captionOf(source.value, index);
    const made = node("article", "item");
    made.tabIndex = -1;
    made.dataset.index = index;
    made.setAttribute("role", "button");
    made.setAttribute("aria-haspopup", "dialog");
    made.setAttribute("aria-label", `${image.name}, ${label(caption)}: ${caption ? caption.text : "not captioned"}`);
    const [picture, canvas] = frame(image, image.picture);
    const text = node("div", "text");
    const name = node("div", "name");
    name.append(node("span", "", image.name), node("b", "", label(caption)));
    text.append(name, captionNode(caption, canvas, false));
    if (against.value !== "") text.append(beside(index, canvas));
    if (caption && caption.sampled) text.append(node("div", "hint", `attributes: ${caption.sampled.join(", ")}`));
    if (caption && caption.nouns) text.append(node("div", "hint", `nouns: ${caption.nouns.join(", ")}`));
    text.append(references(image.references));
    made.append(picture, text);
    return made;
  };

  const key = (index) => {
    const [ours, theirs] = [source.value, against.value].map((one) => score(captionOf(one, index), metric.value));
    if (order.value === "worst" || order.value === "best") return ours;
    return ours === null || theirs === null ? null : ours - theirs;
  };

  const sorted = (indices) => {
    const compares = order.value === "gain" || order.value === "loss";
    if (order.value === "dataset" || (compares && against.value === "")) return indices;
    const sign = order.value === "worst" || order.value === "loss" ? 1 : -1;
    const keys = new Map(indices.map((index) => [index, key(index)]));
    return indices.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      if (x === null || y === null) return (x === null) - (y === null); // unscored images come last
      return sign * (x - y) || a - b;
    });
  };

  const matches = (index) => {
    const wanted = filter.value.trim().toLowerCase();
    const caption = captionOf(source.value, index);
    const parts = [page.images[index].name, caption ? caption.text : "", ...page.images[index].references];
    return !wanted || parts.some((part) => part.toLowerCase().includes(wanted));
  };

  const worst = () => {
    const scored = page.images.map((_, index) => [index, score(captionOf(source.value, index), metric.value)]);
    const lowest = scored.filter(([, value]) => value !== null).sort((a, b) => a[1] - b[1] || a[0] - b[0]).slice(0, 6);
    return lowest.map(([index]) => index);
  };

  // One card of each list can be reached by Tab, the others from it.
  const fill = (list, indices) => {
    list.replaceChildren(...indices.map(card));
    if (list.firstElementChild) list.firstElementChild.tabIndex = 0;
  };

  const show = () => {
    listed = sorted(page.images.map((_, index) => index).filter(matches));
    fill(id("cards"), listed);
    fill(id("worst"), worst());
    id("count").textContent = `${listed.length} of ${page.images.length} images`;
  };

  const focus = (item) => {
    if (!item) return;
    for (const other of item.parentElement.children) other.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
  };

  const columns = (list) => getComputedStyle(list).gridTemplateColumns.split(" ").length;

  const openItem = (item) => {
    const list = item.parentElement;
    const indices = Array.from(list.children, (one) => Number(one.dataset.index));
    const back = (index) => focus(Array.from(list.children).find((one) => Number(one.dataset.index) === index));
    open(indices, Number(item.dataset.index), { source: source.value, against: against.value, metric: metric.value }, back);
  };

  for (const list of [id("cards"), id("worst")]) {
    list.addEventListener("click", (event) => {
      const item = event.target.closest(".item");
      if (item && getSelection().isCollapsed) openItem(item);
    });
    list.addEventListener("keydown", (event) => {
      const item = event.target.closest(".item");
      if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
      const items = Array.from(list.children);
      const at = items.indexOf(item);
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(list), ArrowDown: columns(list) };
      if (event.key === "Enter" || event.key === " ") openItem(item);
      else if (event.key in steps) focus(items[at + steps[event.key]]);
      else if (event.key === "Home") focus(items[0]);
      else if (event.key === "End") focus(items[items.length - 1]);
      else return;
      event.preventDefault();
    });
  }

  for (const control of controls) control.addEventListener("input", show);
  document.querySelector(".controls").addEventListener("submit", (event) => event.preventDefault());
  show();
};
