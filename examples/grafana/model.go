package main

import "strings"

// object is a JSON object of Grafana's dashboard model.
type object map[string]any

const (
	columns     = 24
	panelHeight = 8
	statHeight  = 4
)

// model is the dashboard in the form of Grafana 9 and later.
func (d dashboard) model() object {
	var panels []object
	x, y, rowHeight := 0, 0, 0
	for i, p := range d.panels {
		width, height := p.size()
		if x+width > columns {
			x, y, rowHeight = 0, y+rowHeight, 0
		}
		panels = append(panels, p.model(i+1, object{"x": x, "y": y, "w": width, "h": height}))
		x, rowHeight = x+width, max(rowHeight, height)
	}
	return object{
		"uid": strings.TrimSuffix("kerntap-"+d.file, ".json"), "title": d.title, "description": d.about,
		"tags": []string{"kerntap"}, "schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1,
		"refresh": "10s", "time": object{"from": "now-30m", "to": "now"}, "timezone": "",
		"links": []object{{"type": "dashboards", "title": "kerntap", "tags": []string{"kerntap"}, "asDropdown": false,
			"includeVars": true, "keepTime": true, "icon": "external link", "tooltip": "", "targetBlank": false}},
		"templating":  object{"list": variables()},
		"annotations": object{"list": []object{}},
		"panels":      panels,
	}
}

func (p panel) size() (width, height int) {
	width, height = p.width, panelHeight
	if width == 0 {
		width = columns / 2
	}
	if p.kind == number {
		height = statHeight
	}
	return width, height
}

func (p panel) model(id int, at object) object {
	source := object{"type": "prometheus", "uid": "${prometheus}"}
	if p.kind == logs {
		source = object{"type": "loki", "uid": "${loki}"}
	}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr,
			"legendFormat": q.legend, "editorMode": "code", "instant": p.kind == number, "range": p.kind != number})
	}
	model := object{"id": id, "type": string(p.kind), "title": p.title, "description": p.help, "gridPos": at,
		"datasource": source, "targets": targets}
	switch p.kind {
	case series:
		model["fieldConfig"] = object{"defaults": object{"unit": p.unit, "min": 0,
			"custom": object{"drawStyle": "line", "fillOpacity": 10, "showPoints": "never", "lineWidth": 1}}, "overrides": []object{}}
		model["options"] = object{"legend": object{"showLegend": true, "displayMode": "table", "placement": "right", "calcs": []string{"lastNotNull", "max"}},
			"tooltip": object{"mode": "multi", "sort": "desc"}}
	case number:
		model["fieldConfig"] = object{"defaults": object{"unit": p.unit}, "overrides": []object{}}
		model["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "value", "graphMode": "none",
			"textMode": "auto", "justifyMode": "auto", "orientation": "auto", "wideLayout": true,
			"showPercentChange": false, "percentChangeColorMode": "standard"}
	case logs:
		model["options"] = object{"showTime": true, "wrapLogMessage": true, "sortOrder": "Descending", "enableLogDetails": true,
			"showLabels": false, "showCommonLabels": false, "showLogContextToggle": false, "prettifyLogMessage": false, "dedupStrategy": "none"}
	}
	return model
}

// first is the choice of a variable until somebody chooses: Grafana takes the first that there is.
func first() object { return object{"text": "", "value": ""} }

// variables are what somebody who looks can choose. A job is the service.name of one or more kerntaps: those of one job see
// different hosts, or different network namespaces, and add up; two jobs may see the same connection, one beside the
// workload and one on its host. So one is chosen, the first at first, and never all.
func variables() []object {
	source := func(name, kind string) object {
		return object{"name": name, "label": name, "type": "datasource", "query": kind, "current": first(), "hide": 0}
	}
	values := func(name, label, query string) object {
		return object{"name": name, "label": label, "type": "query", "datasource": object{"type": "prometheus", "uid": "${prometheus}"},
			"definition": query, "query": object{"query": query, "refId": name}, "refresh": 2, "sort": 1,
			"includeAll": false, "multi": false, "current": first()}
	}
	command := values("command", "command", `label_values(kerntap_tcp_connections_total{job="$job"}, kerntap_command)`)
	command["includeAll"], command["multi"], command["allValue"] = true, true, ".*"
	command["current"] = object{"text": "All", "value": "$__all"}
	return []object{source("prometheus", "prometheus"), source("loki", "loki"),
		values("job", "kerntap", "label_values(kerntap_program_up, job)"), command}
}
