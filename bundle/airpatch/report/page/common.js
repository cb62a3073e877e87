const data = JSON.parse(document.getElementById("data").textContent);
const FIRST = 100; // rows of a table that are shown before they are asked for

/** An element with text, attributes and children; what comes from the report is never markup. */
function make(name, attributes = {}, ...children) {
  const svg = ["svg", "path", "circle", "text", "g", "title"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") element.addEventListener("click", value);
    else if (value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes, unit = 0;
  while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return (unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)) + "\u00a0" + units[unit];
}

function percent(bytes, whole) {
  const share = whole ? 100 * bytes / whole : 100;
  return (bytes && share < 0.05 ? "<\u00a00.1" : share.toFixed(1)) + "\u00a0%";
}

function number(value) { return value.toLocaleString("en"); }

function count(value, noun) { return `${number(value)} ${noun}${value === 1 ? "" : noun.endsWith("ch") ? "es" : "s"}`; }

/** A table whose rows are made when they are shown: `row` gives the cells of one of `items`. A head begins with `#` above
 * numbers, with `~` above sentences, with `=` above single words. */
function table(caption, heads, items, row) {
  const body = make("tbody");
  const kind = (text) => ({ "#": "number", "~": "prose", "=": "words" })[text[0]] ?? null;
  const cell = (content, index) =>
    make(index ? "td" : "th", { class: kind(heads[index]), scope: index ? null : "row" }, content);
  const add = (from, to) => {
    for (const item of items.slice(from, to)) body.append(make("tr", {}, ...row(item).map(cell)));
  };
  const head = make("tr", {}, ...heads.map((text) => make(
    "th", { scope: "col", class: kind(text) }, text.replace(/^[#~=]/, ""))));
  add(0, FIRST);
  const whole = make("table", {}, make("caption", {}, make("span", {}, caption)), make("thead", {}, head), body);
  const found = make("div", { class: "scroll" }, whole);
  if (items.length > FIRST) {
    const more = make("button", { type: "button", onclick: () => { add(FIRST, items.length); more.remove(); } },
      `Show all ${number(items.length)}`);
    found.append(more);
  }
  return found;
}
