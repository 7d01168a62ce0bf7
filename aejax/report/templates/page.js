"use strict";
document.querySelectorAll("table.sortable th button").forEach((button) => button.addEventListener("click", () => {
  const heading = button.parentNode, body = heading.closest("table").tBodies[0];
  const column = [...heading.parentNode.children].indexOf(heading);
  const descending = heading.getAttribute("aria-sort") !== "descending";
  heading.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const key = (row) => {  // the number that a cell begins with, or else its text
    const cell = row.cells[column], text = cell.dataset.text ?? cell.textContent;
    const first = text.replace(/[<,]/g, "").split(" ")[0];
    return first && !isNaN(first) ? Number(first) : text;
  };
  const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  [...body.rows].sort((a, b) => (descending ? -1 : 1) * compare(key(a), key(b))).forEach((row) => body.append(row));
}));
const tip = document.getElementById("tip");
document.querySelectorAll("svg[data-examples]").forEach((svg) => {
  const article = svg.closest("article"), points = [...svg.querySelectorAll("circle.point")];
  const names = JSON.parse(article.querySelector("script.examples").textContent);
  let current = -1;
  const hide = () => { tip.hidden = true; points.forEach((point) => point.classList.remove("current")); };
  const show = (index) => {
    hide();
    current = index;
    const point = points[index], number = point.dataset.i, box = point.getBoundingClientRect();
    point.classList.add("current");
    tip.replaceChildren();
    if (article.style.getPropertyValue("--sprites")) {
      const thumb = document.createElement("span");
      thumb.className = "thumb";
      for (const name of ["--sprites", "--count"]) thumb.style.setProperty(name, article.style.getPropertyValue(name));
      thumb.style.setProperty("--i", number);
      tip.append(thumb);
    }
    tip.append(names[number]);
    tip.hidden = false;
    tip.style.left = `${Math.max(4, Math.min(box.x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(box.y + 14, innerHeight - tip.offsetHeight - 8))}px`;
  };
  svg.addEventListener("pointerover", (event) => event.target.matches("circle.point") ? show(points.indexOf(event.target)) : hide());
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step || !points.length) return;
    event.preventDefault();
    show((current + step + points.length) % points.length);
  });
});
