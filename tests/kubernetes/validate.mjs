// Reads a JSON list of manifests on standard input; prints a JSON list of what is wrong with each.
import { readFileSync } from "node:fs";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";

const kinds = { PrometheusRule, ServiceMonitor, ConfigMap };

function fault(manifest) {
  const Kind = kinds[manifest.kind];
  if (!Kind) return `expected one of ${Object.keys(kinds).join(", ")}, got ${manifest.kind}`;
  try {
    const model = new Kind(manifest);
    if (model.apiVersion !== manifest.apiVersion) {
      return `expected apiVersion ${new Kind({}).apiVersion}, got ${manifest.apiVersion}`;
    }
    model.validate();
  } catch (error) {
    return error.message;
  }
  return null;
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(fault)));
