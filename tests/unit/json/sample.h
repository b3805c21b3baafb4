/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * A struct with one field of every type, for the tests and fuzz targets of json/desc.h.
 */
#include "json/desc.h"

enum sample_state { SAMPLE_UP = 1, SAMPLE_DOWN };

struct sample_item {
	struct str name; /* filled where items are NAMED */
	int64_t n;
	struct str *exec;
	size_t n_exec;
};

struct sample {
	struct str title;
	struct str password;
	int64_t seconds;
	double cpus;
	bool is_on;
	enum sample_state state;
	struct json *any;
	struct json *parameters;
	struct sample_item one;
	struct sample_item *maybe;
	struct sample_item *items;
	size_t n_items;
	struct json_pair *env;
	size_t n_env;
	struct sample_item *services;
	size_t n_services;
	int64_t version;
	struct sample *children;
	size_t n_children;
};

static int sample_check_title(struct str s, struct err *e)
{
	return str_find_char(s, '/') == s.n ? 0 : err_fail(e, ERR_INVALID, "has a slash");
}

static const struct json_word sample_states[] = {
	{"up", SAMPLE_UP}, {"down", SAMPLE_DOWN}, {NULL, 0}};

static const struct json_field sample_item_fields[] = {
	JSON_I64(struct sample_item, n, "n", 0, 5, 0, "A number."),
	JSON_STRS(struct sample_item, exec, n_exec, "exec", 0, 3, JSON_OMIT_EMPTY, "A command.",
		  .max_bytes = 10),
};
static const struct json_desc sample_item_desc =
	JSON_DESC(struct sample_item, sample_item_fields, "Item", "An item.");

static const struct json_desc sample_desc;

static const struct json_field sample_fields[] = {
	JSON_STR(struct sample, title, "title", 1, 20, JSON_REQUIRED, "Its name.",
		 .check = sample_check_title),
	JSON_STR(struct sample, password, "password", 0, 20, JSON_SECRET, "A secret."),
	JSON_I64(struct sample, seconds, "seconds", -1, 3600, 0, "How long.", .initial = 30),
	JSON_REAL_NUMBER(struct sample, cpus, "cpus", 0, 64, JSON_OMIT_EMPTY, "Processors."),
	JSON_BOOL(struct sample, is_on, "on", JSON_OMIT_EMPTY, "Whether.", .initial = true),
	JSON_ENUM(struct sample, state, "state", sample_states, 0, "What it is."),
	JSON_TREE(struct sample, any, "any", 0, "Anything."),
	JSON_TREE_OBJECT(struct sample, parameters, "parameters", 0, "An object."),
	JSON_STRUCT(struct sample, one, struct sample_item, "one", &sample_item_desc,
		    JSON_OMIT_EMPTY, "In place."),
	JSON_STRUCT_PTR(struct sample, maybe, struct sample_item, "maybe", &sample_item_desc,
			JSON_NULL_OK, "Perhaps."),
	JSON_STRUCTS(struct sample, items, n_items, struct sample_item, "items",
		     &sample_item_desc, 0, 3, JSON_OMIT_EMPTY, "Several."),
	JSON_PAIRS(struct sample, env, n_env, "env", 0, 2, JSON_OMIT_EMPTY, "Texts by name."),
	JSON_NAMED(struct sample, services, n_services, struct sample_item, name, "services",
		   &sample_item_desc, 0, 3, JSON_OMIT_EMPTY, "Items by name.",
		   .check_key = sample_check_title),
	JSON_I64(struct sample, version, "version", 0, INT64_MAX,
		 JSON_READ_ONLY | JSON_OMIT_EMPTY, "Counts changes."),
	JSON_STRUCTS(struct sample, children, n_children, struct sample, "children",
		     &sample_desc, 0, 2, JSON_OMIT_EMPTY, "More of the same."),
};
static const struct json_desc sample_desc =
	JSON_DESC(struct sample, sample_fields, "Sample", "One of everything.");
