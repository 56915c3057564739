"""What of a compared case can be taken home: masks, tables, pictures, a PDF, all in one archive.

    from mckd.report.archive import archive
    from mckd.report.subject import Subject

    name, data = archive(Subject(compared, maps, segmenter.about, segmenter.importance, today))

No file name, path or header of the input files goes into an export; the case's name only as far
as a file name may hold it.
"""
