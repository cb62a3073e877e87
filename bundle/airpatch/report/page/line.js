const WIDE = Math.min(640, document.documentElement.clientWidth - 32); // of the drawing: so much is left on a phone
const ROW = 56, LEFT = 12, START = WIDE < 480 ? 110 : 160, ROOM = 75; // for names before the arcs, and sizes behind them

const products = [...new Set(data.releases.map((each) => each.product))];

/** The smallest way to a release: its pairs as texts. */
function pairsOf(chain) {
  return chain.ids.slice(1).map((id, index) => `${chain.ids[index]} ${id}`);
}

function title(pair) { return `from ${pair.from} to ${pair.to}, ${size(pair.bytes)}`; }

/** The releases of a product below each other, and an arc for each patch, thick where it is large. */
function graph(product) {
  const releases = data.releases.filter((each) => each.product === product);
  const pairs = data.pairs.filter((each) => each.product === product);
  const place = new Map(releases.map((each, index) => [each.id, ROW / 2 + index * ROW]));
  const largest = Math.max(...pairs.map((each) => each.bytes), 1);
  const span = Math.max(...pairs.map((each) => Math.abs(place.get(each.to_id) - place.get(each.from_id))), 1);
  const drawing = make("svg", { viewBox: `0 0 ${WIDE} ${releases.length * ROW}`, width: WIDE, role: "group",
    "aria-label": `Patches of ${product}: ${number(pairs.length)}` });
  const labels = make("g", {});
  for (const each of pairs) {
    const [from, to] = [place.get(each.from_id), place.get(each.to_id)];
    const reach = START + (WIDE - START - ROOM) * Math.abs(to - from) / span;
    const arc = d3.line().curve(d3.curveBasis)([[START, from], [reach, from], [reach, to], [START, to]]);
    const width = 2 + 10 * each.bytes / largest, top = START + 23 / 24 * (reach - START); // as far as the curve gets
    drawing.append(make("path", { class: "edge", d: arc, "stroke-width": width, tabindex: 0, role: "img",
      "aria-label": title(each), "data-pair": `${each.from_id} ${each.to_id}` }, make("title", {}, title(each))));
    labels.append(make("text", { class: "size", x: top + width / 2 + 4, y: (from + to) / 2 + 4, "aria-hidden": "true" }, size(each.bytes)));
  }
  for (const each of releases) {
    const sites = data.sites.filter((site) => site.has_id === each.id).length;
    drawing.append(make("circle", { class: "release", cx: LEFT, cy: place.get(each.id), r: 7 }),
      make("text", { x: LEFT + 14, y: place.get(each.id) + 5 }, each.name));
    if (sites) drawing.append(make("text", { class: "sites", x: LEFT + 14, y: place.get(each.id) + 20 }, count(sites, "site")));
  }
  drawing.append(labels);
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Drawing of ${product}` }, drawing);
}

/** What to send to a site: a chain to see in the drawing, and what is not known of it, or in words why there is none. */
function sent(site) {
  if (!site.chain) return site.remark;
  if (site.chain.ids.length === 1) return "nothing, it is up to date";
  return site.remark ? make("div", {}, wayButton(site.chain), make("p", {}, site.remark)) : wayButton(site.chain);
}

function wayButton(chain) {
  return make("button", { type: "button", onclick: () => choose(chain) }, chain.releases.join(" \u2192 "));
}

function forecast(chain) { return `${chain.missing ? "about " : ""}${size(chain.bytes)}`; }

function choose(chain) {
  const chosen = new Set(pairsOf(chain));
  for (const edge of document.querySelectorAll(".edge")) edge.classList.toggle("chosen", chosen.has(edge.dataset.pair));
  document.getElementById("said").textContent = `Shown: ${chain.releases.join(" \u2192 ")}, ${forecast(chain)}`;
}

document.getElementById("report").append(
  make("h1", {}, data.title),
  make("p", {}, `${count(data.pairs.length, "patch")}, at most ${count(data.missing, "layer patch")} to make for ${
    count(data.tasks, "layer")}, ${number(data.known)} already in the store. Sizes of patches that are not made yet are forecasts.`),
  make("section", { "aria-labelledby": "ways" }, make("h2", { id: "ways" }, "Ways between the releases"),
    ...products.flatMap((product) => [make("h3", {}, product), graph(product)]),
    table("The smallest way from each release; choose one to see it above", ["Way", "#Patches", "#Size"], data.chains, (each) => [
      wayButton(each), number(each.releases.length - 1), forecast(each)]),
    make("p", { id: "said", "aria-live": "polite" })),
  data.sites.length ? make("section", { "aria-labelledby": "sites" }, make("h2", { id: "sites" }, "Sites"),
    table("What to send to each site; choose a way to see it above", ["Site", "Product", "Has", "~Send", "#Size"], data.sites, (each) => [
      each.inventory, each.product, each.has ?? "\u2013", sent(each), each.chain ? forecast(each.chain) : "\u2013"])) : "",
  make("section", { "aria-labelledby": "patches" }, make("h2", { id: "patches" }, "Patches"),
    table("Each patch, and what its blobs would take whole", ["Product", "From", "To", "#Changed layers", "#Missing", "#Size", "#Whole"],
      data.pairs, (each) => [each.product, each.from, each.to, number(each.layers), number(each.missing), size(each.bytes),
        size(each.whole_bytes)])));
