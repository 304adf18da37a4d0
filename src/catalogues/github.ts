import type { Catalogue } from "../domain/tenant.ts";

const REPOSITORY = { location: ":owner/:repo" } as const;

/** Operations of GitHub's REST API (version 2022-11-28), each with the App permission it needs. */
export const github: Catalogue = {
  operations: {
    "repository:read": {
      ...REPOSITORY,
      access: "read",
      title: "See the repository's description, labels and contributors",
      permissions: { metadata: "read" },
      routes: [
        "GET /repos/:owner/:repo", "GET /repos/:owner/:repo/labels", "GET /repos/:owner/:repo/languages", "GET /repos/:owner/:repo/topics",
        "GET /repos/:owner/:repo/contributors", "GET /repos/:owner/:repo/assignees",
      ],
    },
    "issues:read": {
      ...REPOSITORY,
      access: "read",
      title: "Read issues and their comments",
      permissions: { issues: "read" },
      routes: [
        "GET /repos/:owner/:repo/issues", "GET /repos/:owner/:repo/issues/:issue_number", "GET /repos/:owner/:repo/issues/comments",
        "GET /repos/:owner/:repo/issues/comments/:comment_id", "GET /repos/:owner/:repo/issues/:issue_number/comments",
        "GET /repos/:owner/:repo/issues/:issue_number/labels", "GET /repos/:owner/:repo/issues/:issue_number/timeline",
        "GET /repos/:owner/:repo/milestones", "GET /repos/:owner/:repo/milestones/:milestone_number",
      ],
    },
    "issues:write": {
      ...REPOSITORY,
      access: "write",
      title: "Open, change and close issues, comment on and label them",
      permissions: { issues: "write" },
      routes: [
        "POST /repos/:owner/:repo/issues", "PATCH /repos/:owner/:repo/issues/:issue_number",
        "POST /repos/:owner/:repo/issues/:issue_number/comments", "PATCH /repos/:owner/:repo/issues/comments/:comment_id",
        "DELETE /repos/:owner/:repo/issues/comments/:comment_id", "POST /repos/:owner/:repo/issues/:issue_number/labels",
        "PUT /repos/:owner/:repo/issues/:issue_number/labels", "DELETE /repos/:owner/:repo/issues/:issue_number/labels",
        "DELETE /repos/:owner/:repo/issues/:issue_number/labels/:name", "POST /repos/:owner/:repo/issues/:issue_number/assignees",
        "DELETE /repos/:owner/:repo/issues/:issue_number/assignees",
      ],
    },
    "pulls:read": {
      ...REPOSITORY,
      access: "read",
      title: "Read pull requests, their files, reviews and comments",
      permissions: { pull_requests: "read" },
      routes: [
        "GET /repos/:owner/:repo/pulls", "GET /repos/:owner/:repo/pulls/:pull_number", "GET /repos/:owner/:repo/pulls/:pull_number/commits",
        "GET /repos/:owner/:repo/pulls/:pull_number/files", "GET /repos/:owner/:repo/pulls/:pull_number/reviews",
        "GET /repos/:owner/:repo/pulls/:pull_number/comments",
      ],
    },
    "pulls:write": {
      ...REPOSITORY,
      access: "write",
      title: "Open and change pull requests, review and comment on them (not merge)",
      permissions: { pull_requests: "write" },
      routes: [
        "POST /repos/:owner/:repo/pulls", "PATCH /repos/:owner/:repo/pulls/:pull_number", "POST /repos/:owner/:repo/pulls/:pull_number/reviews",
        "POST /repos/:owner/:repo/pulls/:pull_number/comments", "POST /repos/:owner/:repo/pulls/:pull_number/requested_reviewers",
        "DELETE /repos/:owner/:repo/pulls/:pull_number/requested_reviewers",
      ],
    },
    "pulls:merge": {
      ...REPOSITORY,
      access: "write",
      title: "Merge pull requests",
      permissions: { contents: "write", pull_requests: "write" },
      routes: ["PUT /repos/:owner/:repo/pulls/:pull_number/merge"],
    },
    "contents:read": {
      ...REPOSITORY,
      access: "read",
      title: "Read files, commits, branches and tags",
      permissions: { contents: "read" },
      routes: [
        "GET /repos/:owner/:repo/contents", "GET /repos/:owner/:repo/contents/:path+", "GET /repos/:owner/:repo/readme",
        "GET /repos/:owner/:repo/commits", "GET /repos/:owner/:repo/commits/:ref", "GET /repos/:owner/:repo/branches",
        "GET /repos/:owner/:repo/branches/:branch", "GET /repos/:owner/:repo/tags", "GET /repos/:owner/:repo/releases",
        "GET /repos/:owner/:repo/releases/latest", "GET /repos/:owner/:repo/git/trees/:tree_sha", "GET /repos/:owner/:repo/git/blobs/:file_sha",
        "GET /repos/:owner/:repo/compare/:basehead",
      ],
    },
    "contents:write": {
      ...REPOSITORY,
      access: "write",
      title: "Create, change and delete files and branches",
      permissions: { contents: "write" },
      routes: [
        "PUT /repos/:owner/:repo/contents/:path+", "DELETE /repos/:owner/:repo/contents/:path+", "POST /repos/:owner/:repo/git/blobs",
        "POST /repos/:owner/:repo/git/trees", "POST /repos/:owner/:repo/git/commits", "POST /repos/:owner/:repo/git/refs",
        "PATCH /repos/:owner/:repo/git/refs/:ref+", "DELETE /repos/:owner/:repo/git/refs/:ref+",
      ],
    },
    "actions:read": {
      ...REPOSITORY,
      access: "read",
      title: "See workflow runs and their jobs",
      permissions: { actions: "read" },
      routes: [
        "GET /repos/:owner/:repo/actions/workflows", "GET /repos/:owner/:repo/actions/runs", "GET /repos/:owner/:repo/actions/runs/:run_id",
        "GET /repos/:owner/:repo/actions/runs/:run_id/jobs",
      ],
    },
  },
};
