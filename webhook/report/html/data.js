// readFindings decodes the data of the page. Every finding has the columns as properties, and those of its
// object.
function readFindings() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const decode = (columns, row) => Object.fromEntries(columns.map((column, i) => [column, data.texts[row[i]]]));
  const objects = data.objects.map((row) => decode(data.objectColumns, row));
  const rank = (order) => new Map(order.map((value, i) => [value, i]));
  const outcomes = rank(data.outcomes), severities = rank(data.severities);
  return data.findings.map((row, i) => {
    const finding = {...decode(data.findingColumns.slice(1), row.slice(1)), ...objects[row[0]]};
    finding.order = i;
    finding.outcomeRank = outcomes.get(finding.outcome);
    finding.severityRank = severities.get(finding.severity);
    finding.subject = finding.kind + " " + (finding.namespace && finding.namespace + "/") + finding.name;
    finding.searched = [
      finding.subject, finding.policy, finding.message, finding.path, finding.container, finding.guardrails, finding.file, finding.owner,
      finding.cluster,
    ].join("\n").toLowerCase();
    return finding;
  });
}
