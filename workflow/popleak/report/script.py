"""The report's script: sorting, filters and enlarged figures. Without it every table and figure is shown in full."""

SCRIPT = """
"use strict";
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells], chosen = new Map();
  const bar = document.querySelector(`.filters[data-for="${table.id}"]`), count = document.createElement("span");
  const show = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = [...chosen].some(([i, value]) => value && row.cells[i].textContent !== value);
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  heads.forEach((head, i) => {
    const title = head.textContent, button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending", sign = up ? 1 : -1;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = row => row.cells[i].dataset.v ?? row.cells[i].textContent;
      const order = (a, b) => "v" in a.cells[i].dataset || "v" in b.cells[i].dataset
        ? (key(a) === "") - (key(b) === "") || sign * (key(a) - key(b)) : sign * key(a).localeCompare(key(b));
      body.append(...rows.sort(order));
    });
    const values = [...new Set(rows.map(row => row.cells[i].textContent))];
    if (!bar || !("filter" in head.dataset) || values.length < 2) return;
    const label = document.createElement("label"), select = document.createElement("select");
    label.append(title + " ", select);
    for (const value of ["", ...values]) select.add(new Option(value || "all", value));
    select.addEventListener("change", () => { chosen.set(i, select.value); show(); });
    if (values.includes(head.dataset.filter)) { select.value = head.dataset.filter; chosen.set(i, select.value); }
    bar.append(label);
  });
  if (!bar) continue;
  count.setAttribute("role", "status");
  bar.append(count);
  show();
}

const enlarged = document.querySelector("dialog"), picture = enlarged.querySelector("img");
for (const image of document.querySelectorAll("figure img")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "zoom";
  button.setAttribute("aria-label", `Enlarge the figure: ${image.alt}`);
  button.setAttribute("aria-haspopup", "dialog");
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    picture.src = image.src;
    picture.alt = image.alt;
    enlarged.showModal();
  });
}
enlarged.addEventListener("click", event => { if (event.target === enlarged) enlarged.close(); });
enlarged.querySelector("button").addEventListener("click", () => enlarged.close());

// what is folded is printed too
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  folded.forEach(one => { one.open = true; });
});
addEventListener("afterprint", () => folded.forEach(one => { one.open = false; }));
"""
