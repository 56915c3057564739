"""What of a compared case can be taken home: masks, tables, pictures, a PDF, all in one archive.

    from mckd.report.archive import archive
    from mckd.report.subject import Subject

    name, data = archive(Subject(compared, maps, segmenter.about, segmenter.importance, today))

No name, path or header text of the input files goes into an export: a case is called `case`, or by
the alias that is given.
"""
