const id = (name) => document.getElementById(name);

const node = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // text only: nothing from a file becomes markup
  return made;
};

id("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => {
    const pre = button.parentElement.querySelector("pre");
    const done = () => { button.textContent = "copied"; };
    const select = () => getSelection().selectAllChildren(pre);
    if (navigator.clipboard) navigator.clipboard.writeText(pre.textContent).then(done, select);
    else select();
  });
}

const page = id("data") ? JSON.parse(id("data").textContent) : { images: [], sources: [] };

const score = (caption, name) => {
  const value = caption && caption.scores[name];
  return typeof value === "number" ? value : null;
};

const shownScore = (value) => (value === null ? "–" : value.toFixed(3));

const captionOf = (source, index) => (source === "" ? null : page.sources[source].captions[index]);

// References, equal ones once.
const references = (list) => {
  const counts = new Map();
  for (const text of list) counts.set(text, (counts.get(text) || 0) + 1);
  const made = node("ul", "references");
  for (const [text, count] of counts) made.append(node("li", "", count > 1 ? `${text} (×${count})` : text));
  return made;
};

// Where a model looked: shade on the places of its grid, drawn smooth by the browser, none at the greatest weight. A model
// that looked everywhere alike leaves the whole picture clear.
const shade = (canvas, grid, weights) => {
  const [height, width] = grid;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  weights.forEach((weight, place) => pixels.data.set([8, 12, 20, 0.82 * (255 - weight)], 4 * place));
  context.putImageData(pixels, 0, 0);
};

const clear = (canvas) => canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);

const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// What can be shown of a caption: each word, and the means over words of category and of position.
const looks = (caption) => {
  if (!caption || !caption.attention) return [];
  const words = caption.attention.map(({ word, part, weights }) => ({ word, part, weights: decoded(weights) }));
  const mean = (part, word) => {
    const chosen = words.filter((one) => one.part === part);
    if (chosen.length === 0) return [];
    const sums = Array.from(chosen[0].weights, (_, place) => chosen.reduce((sum, one) => sum + one.weights[place], 0));
    const most = Math.max(...sums, 1);
    return [{ word, part, group: true, weights: sums.map((sum) => (255 * sum) / most) }];
  };
  return [...words, ...mean("c", "nouns (category)"), ...mean("p", "prepositions (position)")];
};

// The words of a caption; pointing at one, or reaching it by keyboard, shows what the model looked at.
const words = (caption, canvas, focusable) => {
  const made = node("div", "caption");
  for (const look of looks(caption).filter((one) => !one.group)) {
    const end = look.word === "<end>";
    const one = node("span", end ? "word end" : `word ${look.part}`, end ? "end" : look.word);
    const show = () => shade(canvas, caption.grid, look.weights);
    const hide = () => clear(canvas);
    one.addEventListener("pointerenter", show);
    one.addEventListener("pointerleave", hide);
    if (focusable) {
      one.tabIndex = 0;
      one.addEventListener("focus", show);
      one.addEventListener("blur", hide);
    }
    made.append(one, " ");
  }
  return made;
};

const captionNode = (caption, canvas, focusable) => (caption && caption.attention
  ? words(caption, canvas, focusable)
  : node("div", "caption", caption ? caption.text || "(empty)" : "(not captioned by this run)"));

const frame = (image, source) => {
  const made = node("div", "frame");
  if (!source) {
    made.append(node("div", "blank", "image not found"));
    return [made, node("canvas")];
  }
  const picture = node("img");
  picture.src = source;
  picture.alt = image.name;
  picture.loading = "lazy";
  picture.decoding = "async";
  const canvas = node("canvas", "cover");
  made.append(picture, canvas);
  return [made, canvas];
};
