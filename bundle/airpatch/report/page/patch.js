const report = data.report;
const whole = report.size_bytes;
const TILES = 150; // of a node; smaller ones are one tile, and all of them rows of the table
const INNER = 40;
const LINE = 16; // pixels of a line in a tile, as the style has it

let way = []; // the node that is shown: numbers of children, from the top

function nodes() {
  const found = [report.tree];
  for (const step of way) found.push(found[found.length - 1].children[step]);
  return found;
}

function go(to) { location.hash = "#" + to.join("."); }

function follow() {
  const wanted = location.hash.slice(1).split(".").filter(Boolean).map(Number);
  way = [];
  let node = report.tree;
  for (const step of wanted) {
    if (!node.children[step]?.children.length) break;
    node = node.children[step];
    way.push(step);
  }
  const was = document.activeElement && document.activeElement.closest("#map, #parts, #path");
  show();
  if (was) document.querySelector("#" + was.id + " button")?.focus();
}

function describe(node) {
  return `${node.name}, ${size(node.bytes)}, ${percent(node.bytes, whole)} of the patch`;
}

/** What tiles are drawn for: the first `most` children, and all others as one. */
function shownChildren(node, most) {
  const children = node.children;
  const shown = children.slice(0, most).map((child, index) => ({ child, index, bytes: child.bytes }));
  const rest = children.slice(most);
  if (rest.length) {
    const bytes = rest.reduce((sum, child) => sum + child.bytes, 0);
    shown.push({ child: { name: `${count(rest.length, "smaller part")}`, kind: "others", bytes, children: [] }, index: -1, bytes });
  }
  return shown;
}

function draw(node) {
  const map = document.getElementById("map");
  const { clientWidth: width, clientHeight: height } = map;
  const top = { children: shownChildren(node, TILES).map((each) => ({ ...each, children: shownChildren(each.child, INNER) })) };
  const root = d3.hierarchy(top, (each) => each.children && each.children.length ? each.children : null)
    .sum((each) => each.children && each.children.length ? 0 : each.bytes);
  d3.treemap().size([width, height]).paddingInner(2).paddingTop((each) => each.depth === 1 ? 20 : 0)(root);
  map.replaceChildren();
  const place = (element, each, left, up) => {
    const style = element.style;
    style.left = each.x0 - left + "px"; style.top = each.y0 - up + "px";
    style.width = Math.max(each.x1 - each.x0, 1) + "px"; style.height = Math.max(each.y1 - each.y0, 1) + "px";
    return element;
  };
  (root.children || []).forEach((each, order) => {
    const { child, index } = each.data;
    const enters = index >= 0 && child.children.length > 0;
    const tile = place(make("button", {
      type: "button", class: `tile ${child.kind.replace("layer itself", "itself")}${enters ? " enters" : ""}`,
      title: describe(child), "aria-label": describe(child) + (enters ? "; go in" : ""), tabindex: order ? -1 : 0,
      onclick: () => { if (enters) go([...way, index]); },
    }), each, 0, 0);
    const [wide, tall] = [each.x1 - each.x0, each.y1 - each.y0];
    const nested = wide > 60 && tall > 50 && (each.children || []).length > 0;
    if (wide > 40 && tall > LINE) {
      const label = make("span", { class: nested ? "label one-line" : "label" }, `${child.name} \u00b7 ${size(child.bytes)}`);
      label.style.maxHeight = LINE * Math.floor((tall - 2) / LINE) + "px"; // no line is cut in halves
      tile.append(label);
    }
    if (nested) {
      for (const inner of each.children) {
        const [w, h] = [inner.x1 - inner.x0, inner.y1 - inner.y0];
        if (w > 4 && h > 4) tile.append(place(make("span", { class: "inner", "aria-hidden": "true" },
          w > 50 && h > 14 ? inner.data.child.name : ""), inner, each.x0, each.y0));
      }
    }
    map.append(tile);
  });
}

function show() {
  const path = nodes();
  const node = path[path.length - 1];
  const children = node.children;
  document.getElementById("path").replaceChildren(make("ol", {}, ...path.map((each, depth) => make("li", {},
    depth === path.length - 1 ? make("span", { "aria-current": "location" }, each.name)
      : make("button", { type: "button", onclick: () => go(way.slice(0, depth)) }, each.name)))));
  const back = document.getElementById("back");
  back.hidden = !way.length;
  draw(node);
  const sum = children.reduce((total, child) => total + child.bytes, 0);
  const rows = children.map((child, index) => ({ child, index }));
  document.getElementById("parts").replaceChildren(table(
    `${node.name}: ${count(children.length, "part")}, ${number(sum)} bytes, ${percent(sum, whole)} of the patch`,
    ["Part", "=Kind", "#Size", "#Share"], rows, ({ child, index }) => [
      child.children.length ? make("button", { type: "button", onclick: () => go([...way, index]) }, child.name) : child.name,
      child.files ? `${child.kind}, ${number(child.files)} files` : child.kind,
      size(child.bytes), percent(child.bytes, whole)]));
  document.getElementById("said").textContent = `Inside ${describe(node)}: ${count(children.length, "part")}`;
}

function move(event) {
  const tiles = [...document.querySelectorAll("#map .tile")];
  const at = tiles.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: tiles.length - 1 }[event.key];
  if (event.key === "Escape" && way.length) go(way.slice(0, -1));
  else if (to === undefined || !tiles[to]) return;
  else { tiles[at]?.setAttribute("tabindex", -1); tiles[to].setAttribute("tabindex", 0); tiles[to].focus(); }
  event.preventDefault();
}

function layers() {
  return table(`${count(report.layers.length, "layer")} that the patch brings`,
    ["=Layer", "~In", "#In the patch", "#Of", "~Compressed by", "~Sent as"], report.layers, (each) => [
      each.digest.slice(7, 19), each.images.join(", "), size(each.cost_bytes), size(each.bytes),
      each.compression === null ? "unknown" : each.compression === "none" ? "not compressed"
        : `${each.compression}, ${each.encoder || "encoder unknown"}`,
      each.method === null ? "whole" : `${each.method}, from ${count(each.sources.length, "layer")}`]);
}

function change(each) {
  const name = each.image + (each.platform ? ` for ${each.platform}` : "");
  const counts = each.files === null ? "files unknown, since not all of its layers can be read"
    : ["new", "changed", "removed"].map((kind) => `${number(each.files[kind])} ${kind}`).join(", ") + " files";
  const versions = each.packages.length ? [table("Packages", ["Package", "=Kind", "Before", "After"], each.packages, (of) => [
    of.name, of.manager, of.before === null ? "not there" : of.before, of.after === null ? "gone" : of.after])] : [];
  const listed = each.listed.length ? [table(
    `The largest ${number(each.listed.length)} of these files`, ["File", "=Change", "#Before", "#After"], each.listed, (of) => [
      of.path, of.change, of.change === "new" ? "" : size(of.before_bytes), of.change === "removed" ? "" : size(of.after_bytes)])] : [];
  const unread = each.unread.length ? [make("p", {}, `Of the packages in ${each.unread.join(", ")} not all could be read: airpatch reads rpm's \
databases in SQLite, as rpm 4.16 and newer write them, and records of at most 64 MiB.`)] : [];
  return make("details", {}, make("summary", {}, `${name}: ${each.before === null ? "a new image" : "was " + each.before}; ${counts}; ${
    count(each.packages.length, "package")} changed${each.unread.length ? ", as far as they can be read" : ""}`), ...unread, ...versions, ...listed);
}

document.getElementById("report").append(
  make("h1", {}, data.title),
  make("p", {}, `The patch has ${number(whole)} bytes (${size(whole)}). Every byte is assigned below: the parts add up to ${
    number(report.tree.bytes)}, ${percent(report.tree.bytes, whole)}.`),
  make("section", { "aria-labelledby": "why" }, make("h2", { id: "why" }, "What makes it large"),
    make("ol", {}, ...report.causes.map((each) => make("li", {}, `${each.text}.`)))),
  make("section", { "aria-labelledby": "where" }, make("h2", { id: "where" }, "Where its bytes come from"),
    make("p", { class: "soft" }, "Click a part to go in, or use the arrow keys and Enter; Escape goes back. The table has the same parts."),
    make("button", { type: "button", id: "back", onclick: () => go(way.slice(0, -1)) }, "\u2039 Back"),
    make("nav", { id: "path", "aria-label": "What is shown" }),
    make("div", { id: "map", role: "group", "aria-label": "Parts by size" }),
    make("p", { id: "said", class: "hidden", "aria-live": "polite" }),
    make("div", { id: "parts" })),
  make("section", { "aria-labelledby": "how" }, make("h2", { id: "how" }, "Layers, their encoders and methods"), layers()),
  make("section", { "aria-labelledby": "what" }, make("h2", { id: "what" }, "What changed between the releases"),
    make("p", {}, report.compared_with === null ? "What targets have is not known by image, so nothing can be compared."
      : `Compared with ${report.compared_with}: ${count(report.changes.length, "image")} changed${
        report.removed_images.length ? `, and these are gone: ${report.removed_images.join(", ")}` : ""}.`),
    ...report.changes.map(change)));
document.getElementById("map").addEventListener("keydown", move);
addEventListener("hashchange", follow);
addEventListener("resize", () => draw(nodes().at(-1)));
follow();
