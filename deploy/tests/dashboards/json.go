package dashboards

import (
	"bytes"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
)

// object is a JSON object. Its keys are written in alphabetical order.
type object map[string]any

const (
	runbook    = "https://github.com/qfpay-worker/qfpay-worker/blob/main/docs/runbook.md"
	statHeight = 4
	height     = 8
	width      = 24
)

var source = object{"type": "prometheus", "uid": "${datasource}"}

// JSON returns the dashboard as Grafana imports it.
func (d Dashboard) JSON() ([]byte, error) {
	var out bytes.Buffer
	to := json.NewEncoder(&out)
	to.SetEscapeHTML(false)
	to.SetIndent("", " ")
	err := to.Encode(object{
		"uid": d.UID, "title": d.Title, "description": d.Description, "tags": []string{"qfpay-worker"},
		"schemaVersion": 39, "editable": false, "graphTooltip": 1, "refresh": "5s", "timezone": "browser",
		"time":        object{"from": "now-15m", "to": "now"},
		"annotations": object{"list": []any{}},
		"templating":  object{"list": variables()},
		"links": []any{
			link(object{"type": "dashboards", "title": "qfpay-worker", "tags": []string{"qfpay-worker"}, "includeVars": true, "keepTime": true}),
			link(object{"title": "Runbook", "url": runbook, "targetBlank": true}),
		},
		"panels": d.layOut(),
	})
	return out.Bytes(), err
}

func variables() []object {
	return []object{
		{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
			"current": object{"text": "Prometheus", "value": "prometheus"}},
		labelValues("merchant", "Merchant", "label_values(qfpay_limiter_wait_seconds_count, merchant)"),
		labelValues("lane", "Lane", "label_values(qfpay_orders_in_flight, lane)"),
	}
}

func labelValues(name, label, query string) object {
	return object{"name": name, "label": label, "type": "query", "datasource": source, "definition": query,
		"query": object{"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": true, "includeAll": true,
		"allValue": ".*", "current": object{"text": []string{"All"}, "value": []string{"$__all"}}}
}

// layOut places panels from left to right, and begins a new line if one is full.
func (d Dashboard) layOut() (all []object) {
	y := 0
	for _, r := range d.Rows {
		all = append(all, object{"id": len(all) + 1, "type": "row", "title": r.Title, "collapsed": false, "panels": []any{},
			"gridPos": object{"h": 1, "w": width, "x": 0, "y": y}})
		x, h := 0, 0
		y++
		for _, p := range r.Panels {
			if x+p.Width > width {
				x, y = 0, y+h
			}
			h = p.height()
			all = append(all, p.json(len(all)+1, object{"h": h, "w": p.Width, "x": x, "y": y}))
			x += p.Width
		}
		y += h
	}
	return all
}

func (p Panel) height() int {
	if p.Stat {
		return statHeight
	}
	return height
}

func (p Panel) json(id int, at object) object {
	defaults := object{"unit": p.Unit, "min": 0, "thresholds": object{"mode": "absolute", "steps": p.steps()}}
	panel := object{"id": id, "title": p.Title, "description": p.Description, "gridPos": at, "datasource": source,
		"fieldConfig": object{"defaults": defaults, "overrides": []any{}}, "targets": p.targets(), "links": p.links()}
	if p.Stat {
		panel["type"] = "stat"
		panel["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
			"colorMode": "value", "graphMode": "area", "textMode": "auto", "justifyMode": "auto", "orientation": "auto", "wideLayout": true,
			"showPercentChange": false, "percentChangeColorMode": "standard"}
		return panel
	}
	stacking := object{"mode": "none", "group": "A"}
	if p.Stacked {
		stacking["mode"] = "normal"
	}
	panel["type"] = "timeseries"
	defaults["custom"] = object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false,
		"stacking": stacking, "thresholdsStyle": object{"mode": "line"}}
	panel["options"] = object{"legend": object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
		"tooltip": object{"mode": "multi", "sort": "desc"}}
	return panel
}

// steps are the colours of a panel with their lowest values.
func (p Panel) steps() []object {
	steps := []object{{"color": "green", "value": nil}}
	for _, s := range []struct{ from, color string }{{p.Warn, "yellow"}, {p.Alarm, "red"}} {
		if from, err := strconv.ParseFloat(s.from, 64); err == nil {
			steps = append(steps, object{"color": s.color, "value": from})
		}
	}
	return steps
}

func (p Panel) links() []object {
	if p.Runbook == "" {
		return []object{}
	}
	return []object{link(object{"title": "Runbook: " + p.Runbook, "url": runbook + "#" + strings.ToLower(p.Runbook), "targetBlank": true})}
}

// link adds what Grafana's schema requires of every link.
func link(l object) object {
	all := object{"type": "link", "icon": "", "tooltip": "", "tags": []string{}, "asDropdown": false, "includeVars": false, "keepTime": false,
		"targetBlank": false}
	maps.Copy(all, l)
	return all
}

func (p Panel) targets() (all []object) {
	for i, q := range p.Queries {
		all = append(all, object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.Expr, "legendFormat": q.Legend})
	}
	return all
}
