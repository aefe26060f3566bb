// Keeps the list at the bottom of the page up to date. textContent only: what comes from outside is never markup.
"use strict";

const body = document.getElementById("feed");

function row(line) {
  const cells = [line.at.slice(11, 23), line.direction, line.what, line.answer, line.detail];
  const tr = document.createElement("tr");
  cells.forEach((text, index) => {
    const td = document.createElement("td");
    td.textContent = text;
    if (index === 3) td.className = line.is_good ? "good" : "bad";
    tr.append(td);
  });
  return tr;
}

async function refresh() {
  try {
    const lines = await (await fetch("/home/feed")).json();
    body.replaceChildren(...lines.map(row));
  } catch {
    // Talkdesk is gone for the moment; the next round asks again.
  }
  setTimeout(refresh, 1000);
}

refresh();
