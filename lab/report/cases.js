// Sorting and filtering of the table of cases; without this the table is as it was written.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], rows = [...body.rows];
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const text = (row, i) => row.cells[i].dataset.value;
  const compare = (i) => (a, b) => {
    const [x, y] = [text(a, i), text(b, i)];
    if (x === "" || y === "") return (x === "") - (y === ""); // no value: last, whichever way
    return table.sign * (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y);
  };
  const sort = (head, i) => {
    table.sign = head.ariaSort === "ascending" ? -1 : 1;
    for (const other of heads) other.ariaSort = "none";
    head.ariaSort = table.sign === 1 ? "ascending" : "descending";
    body.append(...rows.sort(compare(i)));
  };
  heads.forEach((head, i) => {
    head.tabIndex = 0;
    head.ariaSort = "none";
    head.onclick = () => sort(head, i);
    head.onkeydown = (event) => { if (event.key === "Enter") sort(head, i); };
  });
  const matches = (row, word) => {
    const [, name, sign, limit] = word.match(/^(.+?)([<>])(-?[\d.]+)$/) || [];
    const i = heads.findIndex((head) => head.dataset.name.toLowerCase() === name);
    if (i < 0) return text(row, 0).toLowerCase().includes(word);
    return text(row, i) !== "" && (sign === "<" ? +text(row, i) < +limit : +text(row, i) > +limit);
  };
  const label = document.createElement("label"), input = document.createElement("input");
  const count = document.createElement("span");
  input.type = "search";
  input.placeholder = "part of a case id, or key<0.5, et<0.3";
  const filter = () => {
    const words = input.value.toLowerCase().replace(/\s*([<>])\s*/g, "$1").split(",");
    const wanted = words.map((word) => word.trim()).filter((word) => word);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !wanted.every((word) => matches(row, word));
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length} cases; a click on a column's name sorts`;
  };
  input.oninput = filter;
  label.className = "filter";
  label.append("Filter ", input, " ", count);
  table.parentElement.before(label);
  filter();
}
