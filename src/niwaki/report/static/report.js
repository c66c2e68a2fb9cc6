"use strict";
// The page is complete without this script; it adds sorting, filters and highlights.
(function () {
  function setUpTable() {
    const table = document.getElementById("edges");
    const filters = document.getElementById("edge-filters");
    if (!table || !filters) return;
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const gene = document.getElementById("edge-gene");
    const status = document.getElementById("edge-status");
    const sign = document.getElementById("edge-sign");
    const counter = document.getElementById("edge-count");
    const names = rows.map((row) => (row.cells[0].textContent + "\n" + row.cells[1].textContent).toLowerCase());

    function filter() {
      const wanted = gene.value.trim().toLowerCase();
      let shown = 0;
      rows.forEach(function (row, i) {
        const keep = names[i].includes(wanted) &&
          (!status.value || row.dataset.status === status.value) &&
          (!sign.value || row.dataset.sign === sign.value);
        row.hidden = !keep;
        if (keep) shown += 1;
      });
      counter.textContent = shown + " of " + rows.length + " rows";
    }

    function sort(column, header) {
      const numeric = header.dataset.kind === "number";
      const before = header.getAttribute("aria-sort");
      const down = before ? before === "ascending" : numeric;
      const key = (row) => numeric ? Number(row.cells[column].dataset.v) : row.cells[column].textContent;
      const order = numeric ? (a, b) => key(a) - key(b) : (a, b) => key(a).localeCompare(key(b));
      const sorted = rows.slice().sort((a, b) => (down ? -1 : 1) * order(a, b));
      for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...sorted);
    }

    Array.from(table.tHead.rows[0].cells).forEach(function (header, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = header.textContent;
      button.addEventListener("click", () => sort(column, header));
      header.replaceChildren(button);
    });
    gene.addEventListener("input", filter);
    status.addEventListener("change", filter);
    sign.addEventListener("change", filter);
    filters.hidden = false;
    filter();
  }

  function setUpNetwork() {
    const drawing = document.querySelector("svg.network");
    if (!drawing) return;
    const edges = Array.from(drawing.querySelectorAll(".edge"));
    const nodes = Array.from(drawing.querySelectorAll(".node"));

    function clear() {
      drawing.classList.remove("focus");
      for (const part of [...edges, ...nodes]) part.classList.remove("on");
    }

    function focus(chosen) {
      clear();
      const near = new Set();
      for (const edge of edges.filter(chosen)) {
        edge.classList.add("on");
        near.add(edge.dataset.s).add(edge.dataset.t);
      }
      for (const node of nodes) node.classList.toggle("on", near.has(node.dataset.n));
      drawing.classList.add("focus");
    }

    function listen(part, chosen) {
      part.addEventListener("pointerenter", () => focus(chosen));
      part.addEventListener("pointerleave", clear);
      part.addEventListener("focus", () => focus(chosen));
      part.addEventListener("blur", clear);
    }

    for (const node of nodes) {
      const n = node.dataset.n;
      listen(node, (edge) => edge.dataset.s === n || edge.dataset.t === n);
      if (node.classList.contains("hub")) node.setAttribute("tabindex", "0");
    }
    for (const edge of edges) listen(edge, (other) => other === edge);
  }

  function setUpTips() {
    const tip = document.createElement("div");
    tip.id = "tip";
    tip.hidden = true;
    document.body.append(tip);
    for (const title of document.querySelectorAll("svg.plot title")) {
      const part = title.parentNode;
      const words = title.textContent;
      part.setAttribute("aria-label", words);
      title.remove();
      part.addEventListener("pointermove", function (event) {
        tip.textContent = words;
        tip.hidden = false;
        const box = tip.getBoundingClientRect();
        const left = Math.min(event.clientX + 14, window.innerWidth - box.width - 8);
        const above = event.clientY - box.height - 12;
        tip.style.left = Math.max(8, left) + "px";
        tip.style.top = (above > 4 ? above : event.clientY + 18) + "px";
      });
      part.addEventListener("pointerleave", () => { tip.hidden = true; });
    }
  }

  setUpTable();
  setUpNetwork();
  setUpTips();
})();
