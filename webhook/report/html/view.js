// matching returns the findings that the state selects, in its order.
function matching(findings, state) {
  const words = (state.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const filters = filterKeys.filter((key) => state[key] !== undefined);
  const found = findings.filter((finding) =>
    filters.every((key) => finding[key] === state[key]) && words.every((word) => finding.searched.includes(word)));
  return sorted(found, state.sort);
}

function sorted(findings, sort) {
  if (!sort) {
    return findings;
  }
  const descending = sort.startsWith("-");
  const column = sort.replace(/^-/, "");
  const key = {outcome: "outcomeRank", severity: "severityRank", policy: "policy", subject: "subject", message: "message"}[column];
  if (!key) {
    return findings;
  }
  const sign = descending ? -1 : 1;
  const compare = (a, b) => a[key] < b[key] ? -sign : a[key] > b[key] ? sign : a.order - b.order;
  return findings.slice().sort(compare);
}

// grouped returns the groups of findings by a key, the largest first.
function grouped(findings, key) {
  const groups = new Map();
  for (const finding of findings) {
    const value = finding[key];
    if (!groups.has(value)) {
      groups.set(value, {key, value, findings: []});
    }
    groups.get(value).findings.push(finding);
  }
  return [...groups.values()].sort((a, b) => b.findings.length - a.findings.length || (a.value < b.value ? -1 : 1));
}

// linesOf returns the lines of the table: groups, and the findings of those that are open.
function linesOf(findings, key, isOpen) {
  if (!key) {
    return findings.map((finding) => ({finding}));
  }
  return grouped(findings, key).flatMap((group) =>
    [{group}, ...(isOpen(group.value) ? group.findings.map((finding) => ({finding})) : [])]);
}
